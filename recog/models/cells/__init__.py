"""The LSTM family: memory cells from 1997 to 2024, each proved against its equations, under the names presets use."""

from collections.abc import Mapping

from recog.models.cells.cell import Cell
from recog.models.cells.exponential import MLSTM, SLSTM
from recog.models.cells.lstm import LSTM, CoupledLSTM, OriginalLSTM
from recog.models.cells.peephole import MemoryLSTM, PeepholeLSTM
from recog.models.cells.plain import GRU, Elman
from recog.models.cells.regular import LayerNormLSTM, ProjectedLSTM, ZoneoutLSTM
from recog.models.cells.timed import TimeAwareLSTM

# Each is made with (features, hidden) and options of its own.
family: Mapping[str, type[Cell]] = {
    "lstm-1997": OriginalLSTM,
    "lstm": LSTM,
    "peephole": PeepholeLSTM,
    "peephole-c": MemoryLSTM,
    "coupled": CoupledLSTM,
    "gru": GRU,
    "projected": ProjectedLSTM,
    "layer-norm": LayerNormLSTM,
    "zoneout": ZoneoutLSTM,
    "elman": Elman,
    "time-aware": TimeAwareLSTM,
    "slstm": SLSTM,
    "mlstm": MLSTM,
}
