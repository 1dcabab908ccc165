"""A T-maze: a signal at its start says where to turn at its end; in between all places look alike.

Bakker 2001; Wierstra, Foerster, Peters & Schmidhuber 2007 (recurrent policy gradients).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.errors import ConfigError

# Actions: along the corridor in both directions, and to both sides.
AHEAD, BACK, UP, DOWN = range(4)
ACTIONS, SIGNALS = 4, 3
# What is seen: at the start where the goal is, in the corridor, at the junction.
GOAL_UP, GOAL_DOWN, CORRIDOR, JUNCTION = (0, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 0)
REACHED, MISSED = 4.0, -0.1


@dataclass(frozen=True)
class Step:
    """What B agents got for an action and whose walk it ended."""

    # (B,) float64; MISSED for a move against a wall or at the junction to the wrong side, REACHED for the goal, else 0.
    rewards: NDArray[np.float64]
    # (B,) bool.
    ended: NDArray[np.bool_]


class Mazes:
    """B corridors of the same length, walked at once; place 0 is the start, place `length` the junction."""

    def __init__(self, rng: np.random.Generator, count: int, length: int) -> None:
        if length < 1:
            raise ConfigError(f"a corridor of {length} places has no start before its junction; give 1 or more")
        self.length = length
        # True: the goal is up.
        self.goal_up = rng.integers(2, size=count).astype(bool)
        self.places = np.zeros(count, dtype=np.int64)
        self.ended = np.zeros(count, dtype=bool)

    def seen(self) -> NDArray[np.float32]:
        """(B, 3), what each agent sees where it stands; one whose walk has ended sees the junction."""
        signs = np.where(self.goal_up[:, None], GOAL_UP, GOAL_DOWN)
        signs = np.where(self.places[:, None] > 0, CORRIDOR, signs)
        return np.where(self.places[:, None] >= self.length, JUNCTION, signs).astype(np.float32)

    def act(self, actions: NDArray[np.int64]) -> Step:
        """One action (B,) each. Moves against a wall cost; a turn at the junction ends the walk; the ended do nothing."""
        walking = ~self.ended
        at_junction = self.places == self.length
        sideways = (actions == UP) | (actions == DOWN)
        turned = walking & at_junction & sideways
        right = turned & ((actions == UP) == self.goal_up)
        ahead = walking & ~at_junction & (actions == AHEAD)
        back = walking & (self.places > 0) & (actions == BACK)
        wall = walking & ~turned & ~ahead & ~back
        self.places = self.places + ahead.astype(np.int64) - back.astype(np.int64)
        self.ended = self.ended | turned
        return Step(np.where(right, REACHED, np.where(wall | (turned & ~right), MISSED, 0.0)), turned)
