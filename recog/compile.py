"""Decorators for inner loops: compiled where numba is installed, plain Python with the same results where it is not."""

from collections.abc import Callable
from typing import TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

try:
    from numba import njit
except ImportError:
    HAVE_NUMBA = False

    def compiled(function: F) -> F:
        """The function itself: numba is not installed."""
        return function

    inlined = compiled

else:
    HAVE_NUMBA = True

    def compiled(function: F) -> F:
        """The function compiled at its first call and kept on disk; `.py_func` is the plain Python one.

        It releases the interpreter lock, so threads run side by side, and keeps strict floating-point rules.
        """
        return _made(function, False)

    def inlined(function: F) -> F:
        """As `compiled`, and made part of its callers: for small steps that many arrays are handed to many times."""
        return _made(function, True)

    def _made(function: F, forceinline: bool) -> F:
        try:
            made = njit(cache=True, nogil=True, fastmath=False, forceinline=forceinline)(function)
        except RuntimeError:  # no folder may be written to, as in some containers: compiled anew at every start
            made = njit(nogil=True, fastmath=False, forceinline=forceinline)(function)
        return cast(F, made)
