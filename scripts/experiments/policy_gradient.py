"""Policy gradients with memory: a T-maze whose signal is at the start and whose turn is at the end.

python scripts/experiments/policy_gradient.py [--quick] [--seeds 5] [--json FILE] [--plot FILE.svg] [--journal FILE]

Bakker 2001; Wierstra, Foerster, Peters & Schmidhuber 2007. REINFORCE (Williams 1992) through an LSTM: the gradient of
the log-probability of each action, times the discounted reward that came after it less the mean of the walks at the
same step. Solved when all of 100 walks reach the goal with the likeliest action at each step. An agent without memory
sees the same; at the junction it can but guess.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recog import plot
from recog.tasks import maze, report
from recog.tasks.journal import Journal
from recog.tasks.learning import Learner, Recipe
from recog.tasks.network import Shape
from recog.tasks.sequences import Sequences as Batch

# Walks between two changes of the weights, rate of these (Adam), discount a step, LSTM cells.
WALKS, RATE, DISCOUNT, CELLS = 40, 0.02, 0.98, 8
# From this length on a memory that fades less at first (bias of its forget gate), smaller changes and more walks.
LONG = 40


@dataclass(frozen=True)
class Walks:
    """What B agents did, step by step."""

    lessons: Batch
    # (B,) whether the goal was reached.
    reached: np.ndarray


def probabilities(answers: np.ndarray) -> np.ndarray:
    """Softmax over the last dimension."""
    powers = np.exp(answers - answers.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def walk(learner: Learner, length: int, count: int, most: int, remembers: bool, greedy: bool) -> Walks:
    """`count` walks of at most `most` steps; as lessons: the actions, weighted with their advantages."""
    mazes = maze.Mazes(learner.rng, count, length)
    states = np.zeros((count, 2, learner.shape.hidden))
    seen, done, rewards, walking = [], [], [], []
    one = np.ones(count, dtype=np.int64)
    while len(seen) < most and not mazes.ended.all():
        view = mazes.seen()[:, None]
        blank = Batch(view, np.zeros((count, 1, maze.ACTIONS), np.float32), np.ones((count, 1), np.float32), one)
        answers = learner.read(blank, states if remembers else np.zeros_like(states))[:, 0]
        chances = probabilities(answers).cumsum(axis=1)
        drawn = (learner.rng.random((count, 1)) > chances[:, :-1]).sum(axis=1)
        actions = answers.argmax(axis=1) if greedy else drawn
        walking.append(~mazes.ended)
        seen.append(view[:, 0])
        done.append(np.eye(maze.ACTIONS, dtype=np.float32)[actions])
        rewards.append(mazes.act(actions).rewards)
    alive, gains = np.stack(walking, axis=1), np.stack(rewards, axis=1)
    for step in range(gains.shape[1] - 2, -1, -1):
        gains[:, step] += DISCOUNT * gains[:, step + 1]
    mean = (gains * alive).sum(axis=0) / np.maximum(alive.sum(axis=0), 1)
    advantages = ((gains - mean) * alive).astype(np.float32)
    reached = mazes.ended & np.array(
        [row[int(row_alive.sum()) - 1] > 0 for row, row_alive in zip(gains, alive, strict=True)]
    )
    lessons = Batch(np.stack(seen, axis=1), np.stack(done, axis=1), advantages, alive.sum(axis=1).astype(np.int64))
    return Walks(lessons, reached)


def apart(lessons: Batch) -> Batch:
    """Every step as a sequence of its own: what an agent without memory learns from."""
    rows, steps = np.nonzero(np.arange(lessons.asked.shape[1]) < lessons.lengths[:, None])
    parts = (part[rows, steps][:, None] for part in (lessons.inputs, lessons.targets, lessons.asked))
    return Batch(*parts, np.ones(len(rows), dtype=np.int64))


def train(length: int, remembers: bool, seed: int, most: int) -> tuple[int | None, float]:
    """Walks until the maze is solved, None where it is not; and the share of goals reached in the end."""
    rate, keep = (RATE / 2, 6.0) if length >= LONG else (RATE, 4.0)
    learner = Learner(Shape(maze.SIGNALS, CELLS, maze.ACTIONS), seed, forget_bias=keep)
    limit = 20 * length + 20
    share = 0.0
    for walked in range(0, most, WALKS):
        walks = walk(learner, length, WALKS, limit, remembers, greedy=False)
        lessons = walks.lessons if remembers else apart(walks.lessons)
        count = len(lessons.lengths)
        learner.train(lessons, Recipe("classes", rate, most=count, check=count, batch=count), rate)
        if walked // WALKS % 10 == 9:
            share = float(walk(learner, length, 100, limit, remembers, greedy=True).reached.mean())
            if share == 1:
                return walked + WALKS, share
    return None, share


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table and the claims."""
    arguments = report.parser(__doc__, seeds=5).parse_args(argv)
    seeds, journal = 2 if arguments.quick else arguments.seeds, Journal(arguments.journal)
    rows, lines, share = report.Rows(), [], {}
    for length in (5,) if arguments.quick else (5, 10, 20, 40):
        for remembers in (True, False) if length == 5 or length == 10 else (True,):
            most = 6000 if arguments.quick or not remembers else 40_000 if length >= LONG else 12_000
            name = f"corridor of {length}, {'LSTM' if remembers else 'no memory'}"
            found = journal.figures(
                f"{name}, {most} at most", seeds, lambda seed, of=(length, remembers, most): train(*of[:2], seed, of[2])
            )
            took, shares = zip(*found.values, strict=True)
            share[length, remembers] = sum(one is not None for one in took) / seeds
            goals = np.mean(shares)
            paper = "solved, ahead of other methods (2007)" if remembers else "-"
            ours = f"{report.solved(took)}; goal reached by {100 * goals:.0f} %"
            rows.append(report.Row(name, paper, ours, seeds, found.minutes))
            if remembers:
                lines.append(report.shares(f"{length}", took, most, report.COLOURS[len(lines)]))
    longest = (
        max(length for length, remembers in share if remembers and share[length, remembers] >= 0.8)
        if share[5, True] >= 0.8
        else 0
    )
    claims = [
        report.Claim("policy gradients through an LSTM solve the T-maze", share[5, True] >= 0.8),
        report.Claim("without memory it is not solved", share[5, False] == 0),
    ]
    if not arguments.quick:
        claims.append(
            report.Claim(f"a corridor of 40 is solved by 4 of 5 seeds (longest here: {longest})", longest >= 40)
        )
    panels = [plot.Panel("seeds that solve a corridor of that length, %", tuple(lines), low=0.0, high=100.0)]
    return report.finish(arguments, rows, claims, panels, "walks")


if __name__ == "__main__":
    sys.exit(main())
