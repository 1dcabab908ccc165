"""What a preset may say of a cell beyond its name."""

from dataclasses import dataclass, fields
from typing import Any

from recog.errors import ConfigError
from recog.models.cells import family


@dataclass(frozen=True)
class CellOptions:
    """The settings `network.cell_options`; each is for the cells named with it, and refused with any other.

    What values they may have is said, and checked, by the cells themselves.
    """

    # lstm-1997: cells of a memory block, which share their gates; a divisor of `network.hidden`.
    block: int = 1
    # lstm-1997: no error leaves a step but through c, as in 1997.
    truncated: bool = False
    # lstm-1997: gates see the gates of the step before.
    gated: bool = False
    # peephole, peephole-c: what the memory goes through on its way out, "tanh" or "identity".
    squash: str = "tanh"
    # gru: the reset gate comes after the recurrent map, as in cuDNN.
    reset_after: bool = False
    # projected: memory cells; 0: twice `network.hidden`, which is the width that comes back.
    cells: int = 0
    # projected: gates see the memory.
    peepholes: bool = True
    # zoneout: chance that a step leaves c, or h, as it was.
    zoneout_c: float = 0.5
    zoneout_h: float = 0.05
    # time-aware: feature of the frontend's matrix that holds the time since the frame before, 1 for an ordinary one;
    # -1: every frame takes 1.
    clock: int = -1
    # time-aware: how the short-term memory fades, "log" or "inverse".
    decay: str = "log"
    # slstm, mlstm: heads, and the function of the forget gate, "sigmoid" or "exponential".
    heads: int = 1
    forget: str = "sigmoid"
    # mlstm: steps that are computed as one multiplication.
    chunk: int = 64


def arguments(cell: str, options: CellOptions) -> dict[str, Any]:
    """Those options that differ from what they are unless told, as arguments of the cell.

    Refuses a name that no member of the family has, and options that the cell does not know.
    """
    if cell not in family:
        raise ConfigError(f"network.cell is {cell!r}; expected one of {', '.join(family)}")
    told = {one.name: getattr(options, one.name) for one in fields(options)}
    told = {name: value for name, value in told.items() if value != getattr(CellOptions(), name)}
    for name in told:
        if name not in understood(cell):
            knowing = [other for other in family if name in understood(other)]
            raise ConfigError(
                f"network.cell_options.{name} is for the cell {' or '.join(knowing)}, and network.cell is {cell!r}; "
                "leave it out, or choose such a cell"
            )
    return told


def understood(cell: str) -> tuple[str, ...]:
    """The names of what a cell is made with."""
    code = family[cell].__init__.__code__
    return code.co_varnames[1 : code.co_argcount]
