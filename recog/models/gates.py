"""What an LSTM does with its sums in one step, ahead and back, for some rows of arrays that hold all steps.

One pass over what lies in the cache, where PyTorch would make seven. Products come and go in the working precision, float32 or
bf16 (as uint16, the upper half of a float32); what happens between them is float32: a forget gate of 0.998 is 1 in
bf16. Compiled; without numba these would be slow, and `recog.models.packed` is not used.
"""

import numpy as np
from numpy.typing import NDArray

from recog.compile import compiled, inlined

Floats = NDArray[np.float32]
# The same memory as an array of floats.
Bits = NDArray[np.uint32]
# Floats, or the upper halves of floats.
Working = NDArray[np.float32] | NDArray[np.uint16]

ONE, TWO, HALF, QUARTER = np.float32(1), np.float32(2), np.float32(0.5), np.float32(0.25)
# Beyond twice this tanh is 1 in float32.
MOST = np.float32(4.5)
# tanh y = y P(y^2) / Q(y^2), Lambert's continued fraction (1770) cut off after the seventh level.
P0, P1, P2 = np.float32(135135), np.float32(17325), np.float32(378)
Q0, Q1, Q2, Q3 = np.float32(135135), np.float32(62370), np.float32(3150), np.float32(28)


@inlined
def twice_tanh(y: np.float32) -> np.float32:
    """tanh(2 y) = 2 tanh(y) / (1 + tanh(y)^2), within 2e-7: additions, multiplications and one division, so that a processor
    takes many at once.
    """
    y = MOST if y > MOST else y
    y = -MOST if y < -MOST else y
    s = y * y
    p = y * (((s + P2) * s + P1) * s + P0)
    q = ((Q3 * s + Q2) * s + Q1) * s + Q0
    found: np.float32 = np.divide(TWO * p * q, q * q + p * p)  # `/` would look for zeros, one at a time
    return found


@inlined
def widen(found: Working, floats: Floats, bits: Bits) -> None:
    """Fills a row of floats, whose bits are given too, with a row in the working precision."""
    if found.itemsize == 2:
        for k in range(len(found)):
            bits[k] = np.uint32(found[k]) << np.uint32(16)
    else:
        for k in range(len(found)):
            floats[k] = found[k]


@inlined
def narrow(floats: Floats, bits: Bits, found: Working) -> None:
    """The other way round: to the nearest, ties to even. Not for NaN, which may become infinite: a bad step either way."""
    if found.itemsize == 2:
        for k in range(len(found)):
            found[k] = (bits[k] + np.uint32(0x7FFF) + ((bits[k] >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    else:
        for k in range(len(found)):
            found[k] = floats[k]


@compiled
def ahead(
    start: int,
    rows: int,
    before: int,
    sums: Working,
    gates: Floats,
    bits: Bits,
    c: Floats,
    shown: Floats,
    h: Working,
    said: Floats,
    said_bits: Bits,
) -> None:
    """From the first rows of sums (rows, 4 H), those of i, f, g, o: fills the rows from `start` of the gates (N, 4 H), whose
    bits are given too, c, shown = tanh(c) and h (N, H). The rows of the step before begin at `before`; -1: there was
    none. `said` (H) is room for a row.
    """
    cells = c.shape[1]
    for row in range(rows):
        here = gates[start + row]
        widen(sums[row], here, bits[start + row])
        for k in range(2 * cells):
            here[k] = HALF + HALF * twice_tanh(QUARTER * here[k])
        for k in range(2 * cells, 3 * cells):
            here[k] = twice_tanh(HALF * here[k])
        for k in range(3 * cells, 4 * cells):
            here[k] = HALF + HALF * twice_tanh(QUARTER * here[k])
        i, f, g, o = here[:cells], here[cells : 2 * cells], here[2 * cells : 3 * cells], here[3 * cells :]
        new, seen = c[start + row], shown[start + row]
        if before < 0:
            for k in range(cells):
                new[k] = i[k] * g[k]
        else:
            old = c[before + row]
            for k in range(cells):
                new[k] = i[k] * g[k] + f[k] * old[k]
        for k in range(cells):
            seen[k] = twice_tanh(HALF * new[k])
        for k in range(cells):
            said[k] = o[k] * seen[k]
        narrow(said, said_bits, h[start + row])


@compiled
def back(
    start: int,
    rows: int,
    before: int,
    later: int,
    dy: Working,
    through: Working,
    gates: Floats,
    c: Floats,
    shown: Floats,
    carried: Floats,
    sums: Working,
    room: Floats,
    room_bits: Bits,
) -> None:
    """From dy, the errors of h from above in the rows from `start` (N, H), through, those from the step after for its
    first `later` rows, and carried, those that c has from there (rows, H): fills these rows of sums (N, 4 H), the errors of
    the gates' sums; carried becomes that of the step before. `room` (6, H) is for working in, its bits are given too.
    """
    cells = c.shape[1]
    error, added = room[0], room[1]
    flat, flat_bits = room[2:].reshape(4 * cells), room_bits[2:].reshape(4 * cells)
    di, df, dg, do = flat[:cells], flat[cells : 2 * cells], flat[2 * cells : 3 * cells], flat[3 * cells :]
    for row in range(rows):
        here = gates[start + row]
        i, f, g, o = here[:cells], here[cells : 2 * cells], here[2 * cells : 3 * cells], here[3 * cells :]
        seen, dc = shown[start + row], carried[row]
        widen(dy[start + row], error, room_bits[0])
        if row < later:
            widen(through[row], added, room_bits[1])
            for k in range(cells):
                error[k] = error[k] + added[k]
        for k in range(cells):
            do[k] = error[k] * seen[k] * o[k] * (ONE - o[k])
        for k in range(cells):
            dc[k] = dc[k] + error[k] * o[k] * (ONE - seen[k] * seen[k])
        for k in range(cells):
            di[k] = dc[k] * g[k] * i[k] * (ONE - i[k])
        for k in range(cells):
            dg[k] = dc[k] * i[k] * (ONE - g[k] * g[k])
        if before < 0:
            for k in range(cells):
                df[k] = np.float32(0)
        else:
            old = c[before + row]
            for k in range(cells):
                df[k] = dc[k] * old[k] * f[k] * (ONE - f[k])
        for k in range(cells):
            dc[k] = dc[k] * f[k]
        narrow(flat, flat_bits, sums[start + row])
