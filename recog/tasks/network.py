"""A small recurrent network with its gradient, compiled: for tasks in which thousands of tiny networks learn online.

One step of such a network is under a microsecond of arithmetic, which a tensor library would spend on its first
call. What is computed is what `recog.models.cells` computes, cell by cell and gradient by gradient (shown by the tests).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled

Doubles = NDArray[np.float64]
# What turns outputs into errors; see `mistake`.
SQUARED, STRAIGHT, CLASSES, SEVERAL = range(4)


class Shape(NamedTuple):
    """What a network is made of: numbers and switches, 0 or 1, as the compiled loops take them."""

    features: int
    hidden: int
    outputs: int
    # Cells that share their gates.
    block: int = 1
    # h(t) = tanh(a) and nothing else (Elman 1990); the switches below then mean nothing, but for `truncated`.
    plain: int = 0
    # Without: the memory never decays (1997).
    forget: int = 1
    # Gates see their own cells (2002).
    peephole: int = 0
    # g in [-2, 2] and k(c) in [-1, 1], by half-steep tanh, as in 1997; else tanh for both.
    half: int = 0
    # h = o c instead of o tanh(c) (2002).
    straight: int = 0
    # No error leaves a step through h: c alone carries it back (1997); for a plain network: nothing does.
    truncated: int = 0
    # Gates and cells see all gates of the step before, too (1997); before the first step of a walk those count as 0.
    gated: int = 0


@compiled
def rows_of(shape: Shape) -> int:
    """Sums of a step: input, forget and output gates (H / block each), then cells (H)."""
    if shape.plain:
        return shape.hidden
    return (2 + shape.forget) * (shape.hidden // shape.block) + shape.hidden


@compiled
def seen_of(shape: Shape) -> int:
    """Numbers that each sum sees: input (F), h(t-1) (H) and, where `gated`, the gates at t-1."""
    gates = (2 + shape.forget) * (shape.hidden // shape.block)
    return shape.features + shape.hidden + (gates if shape.gated and not shape.plain else 0)


@compiled
def parts_of(shape: Shape) -> tuple[int, int, int]:
    """Numbers in the map to the sums (what is seen + 1 x rows, the bias last), the peepholes (3 x H) and the map to answers ((H + 1) x O)."""
    return (
        (seen_of(shape) + 1) * rows_of(shape),
        3 * shape.hidden * shape.peephole,
        (shape.hidden + 1) * shape.outputs,
    )


class Trace(NamedTuple):
    """What a walk over up to T steps leaves behind, for its answers and its gradient; row 0 of memory and output is the start."""

    # (T, rows) gates after sigma, cells after g.
    gates: Doubles
    # (T + 1, H) c and h.
    memory: Doubles
    output: Doubles
    # (T, O), before any squashing.
    answers: Doubles


def trace(shape: Shape, steps: int) -> Trace:
    """Room for a walk."""
    return Trace(
        np.zeros((steps, rows_of(shape))),
        np.zeros((steps + 1, shape.hidden)),
        np.zeros((steps + 1, shape.hidden)),
        np.zeros((steps, shape.outputs)),
    )


@compiled
def add(values: Doubles, times: float, goal: Doubles) -> None:
    """goal += times * values: a loop, which compiles in a tenth of the time that an expression on arrays takes."""
    for k in range(len(goal)):
        goal[k] += times * values[k]


@compiled
def along(values: Doubles, others: Doubles) -> float:
    """The sum of the products."""
    total = 0.0
    for k in range(len(values)):
        total += values[k] * others[k]
    return total


@compiled
def step_forward(shape: Shape, sums: Doubles, see: Doubles, before: Doubles, memory: Doubles, output: Doubles) -> None:
    """Sums of one step -> gates (in place of the sums), memory and output; `before` is c(t-1)."""
    hidden, n = shape.hidden, shape.hidden // shape.block
    cells, slope = (2 + shape.forget) * n, 0.5 if shape.half else 1.0
    if shape.peephole:
        for j in range(hidden):
            sums[j // shape.block] += see[j] * before[j]
            if shape.forget:
                sums[n + j // shape.block] += see[hidden + j] * before[j]
    for row in range((1 + shape.forget) * n):
        sums[row] = 1 / (1 + math.exp(-sums[row]))
    for j in range(hidden):
        b = j // shape.block
        g = math.tanh(slope * sums[cells + j]) / slope
        sums[cells + j] = g
        memory[j] = (sums[n + b] if shape.forget else 1.0) * before[j] + sums[b] * g
        if shape.peephole:
            sums[cells - n + b] += see[2 * hidden + j] * memory[j]
    for row in range(cells - n, cells):
        sums[row] = 1 / (1 + math.exp(-sums[row]))
    for j in range(hidden):
        seen = memory[j] if shape.straight else math.tanh(slope * memory[j])
        output[j] = sums[cells - n + j // shape.block] * seen


@compiled
def forward(shape: Shape, weights: Doubles, x: NDArray[np.float32], steps: int, walk: Trace) -> None:
    """Reads x (T, F) for `steps` steps from the state in row 0 of the walk, and fills the walk."""
    hidden, features, rows, seen = shape.hidden, shape.features, rows_of(shape), seen_of(shape)
    first, second, third = parts_of(shape)
    into = weights[:first].reshape((seen + 1, rows))
    see = weights[first : first + second]
    out = weights[first + second : first + second + third].reshape((hidden + 1, shape.outputs))
    for t in range(steps):
        sums = walk.gates[t]
        for row in range(rows):
            sums[row] = into[seen, row]
        for k in range(features):
            if x[t, k] != 0:  # most inputs of most tasks are zero
                add(into[k], x[t, k], sums)
        for k in range(hidden):
            add(into[features + k], walk.output[t, k], sums)
        if t > 0:
            for k in range(seen - features - hidden):
                add(into[features + hidden + k], walk.gates[t - 1, k], sums)
        if shape.plain:
            for j in range(hidden):
                walk.output[t + 1, j] = math.tanh(sums[j])
        else:
            step_forward(shape, sums, see, walk.memory[t], walk.memory[t + 1], walk.output[t + 1])
        for k in range(shape.outputs):
            walk.answers[t, k] = out[hidden, k]
        for j in range(hidden):
            add(out[j], walk.output[t + 1, j], walk.answers[t])


@compiled
def step_backward(
    shape: Shape,
    gates: Doubles,
    see: Doubles,
    memories: tuple[Doubles, Doubles],
    errors: tuple[Doubles, Doubles, Doubles],
    to_sums: Doubles,
    to_see: Doubles,
) -> None:
    """The errors of one step: from those of h(t), c(t) and, as the next step saw them, the gates to those of the sums,
    and (in place) of c(t-1).

    `memories` are c(t-1) and c(t); `to_see` gathers the gradient of the peepholes.
    """
    to_output, to_memory, to_gates = errors
    hidden, n = shape.hidden, shape.hidden // shape.block
    cells, slope = (2 + shape.forget) * n, 0.5 if shape.half else 1.0
    before, memory = memories
    for row in range(len(to_sums)):
        to_sums[row] = to_gates[row] * gates[row] * (1 - gates[row]) if row < cells else 0.0
    for j in range(hidden):
        o = cells - n + j // shape.block
        seen = memory[j] if shape.straight else math.tanh(slope * memory[j])
        to_sums[o] += to_output[j] * seen * gates[o] * (1 - gates[o])
        to_memory[j] += to_output[j] * gates[o] * (1.0 if shape.straight else slope * (1 - seen * seen))
    for j in range(hidden):
        b, f, o = j // shape.block, n + j // shape.block, cells - n + j // shape.block
        if shape.peephole:
            to_memory[j] += to_sums[o] * see[2 * hidden + j]
            to_see[2 * hidden + j] += to_sums[o] * memory[j]
        g = gates[cells + j]
        to_sums[b] += to_memory[j] * g * gates[b] * (1 - gates[b])
        if shape.forget:
            to_sums[f] += to_memory[j] * before[j] * gates[f] * (1 - gates[f])
        to_sums[cells + j] = to_memory[j] * gates[b] * (1 - (slope * g) * (slope * g))
    for j in range(hidden):
        b, f = j // shape.block, n + j // shape.block
        if shape.forget:
            to_memory[j] *= gates[f]
        if shape.peephole:
            to_memory[j] += to_sums[b] * see[j]
            to_see[j] += to_sums[b] * before[j]
            if shape.forget:
                to_memory[j] += to_sums[f] * see[hidden + j]
                to_see[hidden + j] += to_sums[f] * before[j]


@compiled
def backward(
    shape: Shape, weights: Doubles, x: NDArray[np.float32], steps: int, walk: Trace, errors: Doubles, gradient: Doubles
) -> None:
    """Adds to `gradient` what `errors` (T, O), those of the answers of the walk, say of the weights.

    The state before the first step counts as given.
    """
    hidden, features, rows, seen = shape.hidden, shape.features, rows_of(shape), seen_of(shape)
    first, second, third = parts_of(shape)
    into = weights[:first].reshape((seen + 1, rows))
    see = weights[first : first + second]
    out = weights[first + second : first + second + third].reshape((hidden + 1, shape.outputs))
    to_into = gradient[:first].reshape((seen + 1, rows))
    to_see = gradient[first : first + second]
    to_out = gradient[first + second : first + second + third].reshape((hidden + 1, shape.outputs))
    to_output, to_memory, to_sums, to_gates = np.zeros(hidden), np.zeros(hidden), np.zeros(rows), np.zeros(rows)
    for t in range(steps - 1, -1, -1):
        add(errors[t], 1.0, to_out[hidden])
        for j in range(hidden):
            add(errors[t], walk.output[t + 1, j], to_out[j])
            for k in range(shape.outputs):
                to_output[j] += out[j, k] * errors[t, k]
        if shape.plain:
            for j in range(hidden):
                to_sums[j] = to_output[j] * (1 - walk.output[t + 1, j] * walk.output[t + 1, j])
        else:
            memories = (walk.memory[t], walk.memory[t + 1])
            errors_here = (to_output, to_memory, to_gates)
            step_backward(shape, walk.gates[t], see, memories, errors_here, to_sums, to_see)
        add(to_sums, 1.0, to_into[seen])
        for k in range(features):
            if x[t, k] != 0:
                add(to_sums, x[t, k], to_into[k])
        for k in range(hidden):
            add(to_sums, walk.output[t, k], to_into[features + k])
            to_output[k] = 0.0 if shape.truncated else along(into[features + k], to_sums)
        if t > 0:
            for k in range(seen - features - hidden):
                add(to_sums, walk.gates[t - 1, k], to_into[features + hidden + k])
                to_gates[k] = 0.0 if shape.truncated else along(into[features + hidden + k], to_sums)


@compiled
def mistake(kind: int, answer: Doubles, target: NDArray[np.float32], weight: float, error: Doubles) -> float:
    """The loss of one step, and (in `error`) its gradient by the answer, both times `weight`.

    SQUARED: the square of sigma(answer) less target, summed (1997); STRAIGHT: of the answer itself; CLASSES: cross
    entropy of softmax(answer); SEVERAL: cross entropy of each sigma(answer) with its own target.
    """
    loss = 0.0
    most, total = answer[0], 0.0
    for k in range(1, len(answer)):
        most = max(most, answer[k])
    for k in range(len(answer)):
        total += math.exp(answer[k] - most)
    for k in range(len(answer)):
        if kind == CLASSES:
            p = math.exp(answer[k] - most) / total
            loss -= target[k] * (answer[k] - most - math.log(total))
            error[k] = weight * (p - target[k])
            continue
        p = answer[k] if kind == STRAIGHT else 1 / (1 + math.exp(-answer[k]))
        error[k] = weight * (p - target[k])
        if kind == SEVERAL:
            loss += max(answer[k], 0.0) - answer[k] * target[k] + math.log(1 + math.exp(-abs(answer[k])))
        else:
            loss += (p - target[k]) * (p - target[k])
            error[k] *= 2.0 if kind == STRAIGHT else 2 * p * (1 - p)
    return weight * loss
