"""Every probability and weight of a model as one byte: a place in its order's table of 256 values."""

import numpy as np
from numpy.typing import NDArray

from recog.lm.lookup import Tables
from recog.lm.trie import freeze

VALUES = 256
# The histogram: most bins, values a bin at least, and the part of the values on either side that is left out.
_BINS, _PER_BIN, _EXTREME = 1000, 10, 1e-3
_ROUNDS = 12


def quantise(tables: Tables) -> Tables:
    """The same model with log probabilities and back-off weights rounded to 256 values an order; 0.0 stays itself.

    Returns what is quantised already as it is.
    """
    if tables.log_prob_codes.dtype == np.uint8:
        return tables
    orders = len(tables.bounds) - 1
    log_prob_values, log_prob_codes = _rounded(
        tables.log_prob_values, tables.log_prob_codes, tables.log_prob_starts, tables.bounds
    )
    # The longest n-grams have no weights; their part of the table stays empty.
    back_off_values, back_off_codes = _rounded(
        tables.back_off_values, tables.back_off_codes, tables.back_off_starts, tables.bounds[:-1]
    )
    return freeze(
        tables._replace(
            log_prob_values=log_prob_values,
            log_prob_codes=log_prob_codes,
            log_prob_starts=VALUES * np.arange(orders),
            back_off_values=np.concatenate((back_off_values, np.zeros(VALUES, np.float32))),
            back_off_codes=back_off_codes,
            back_off_starts=VALUES * np.arange(orders),
        )
    )


def _rounded(
    values: NDArray[np.float32],
    codes: NDArray[np.unsignedinteger],
    starts: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Tables of all orders, one after the other, and the codes of all nodes; the root goes with the first order."""
    tables, rounded = np.zeros((len(bounds) - 1, VALUES), np.float32), np.zeros(len(codes), np.uint8)
    for order in range(len(bounds) - 1):
        first, end = bounds[order], bounds[order + 1]
        exact = values[starts[order] + codes[first:end]]
        other = exact[exact != 0]
        table = _table(other.astype(np.float64))
        tables[order, 1 : len(table) + 1] = table
        # Code 0 is 0.0 and nothing else: a weight of 0 must not become one that tells contexts apart, nor the reverse.
        near = 1 + np.searchsorted((table[1:] + table[:-1]) / 2, exact) if len(table) else np.zeros(len(exact))
        rounded[first:end] = np.where(exact == 0, 0, near)
    return tables.ravel(), rounded


def _table(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Up to 255 sorted values that stand for these with a small squared error.

    All distinct ones where so few suffice. Otherwise a first choice whose density is the cube root of that of the
    values (Panter and Dite 1951), made better by Lloyd's rounds (1982); a place that no value needs goes to where the
    error is largest.
    """
    distinct = np.unique(values)
    if len(distinct) < VALUES:
        return distinct
    # The extremes have places of their own: <s>, which is never foretold, lies far from all others.
    bulk = np.quantile(values, (_EXTREME, 1 - _EXTREME))
    density, edges = np.histogram(values, min(_BINS, len(values) // _PER_BIN), (bulk[0], bulk[1]))
    rising = np.concatenate(([0], np.cumsum(np.cbrt(density))))
    middles = (np.arange(VALUES - 3) + 0.5) / (VALUES - 3) * rising[-1]
    table = np.unique(np.concatenate((distinct[[0, -1]], np.interp(middles, rising, edges))))
    for _ in range(_ROUNDS):
        place = np.searchsorted((table[1:] + table[:-1]) / 2, values)
        members = np.bincount(place, minlength=len(table))
        used = members > 0
        table = np.bincount(place, values, len(table))[used] / members[used]
        error = np.bincount((np.cumsum(used) - 1)[place], np.square(values - table[(np.cumsum(used) - 1)[place]]))
        worst = np.argsort(-error)[: VALUES - 1 - len(table)]
        apart = np.sqrt(error / members[used])[worst]
        table = np.unique(np.concatenate((np.delete(table, worst), table[worst] - apart, table[worst] + apart)))
    return table
