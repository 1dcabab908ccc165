"""Decoded samples of rows: from memory, from the folder on disk, or from the file itself, and then kept."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from recog import archive
from recog import frontend as frontends
from recog.audio import SpeechFrontend
from recog.batching import DataConfig
from recog.cache import Array, Cache, key
from recog.frontend import Decoded, Frontend
from recog.manifest import Row


class Store:
    """Waveforms or line pictures by row number; sound is kept in 16 bits."""

    def __init__(
        self, rows: Sequence[Row], frontend: Frontend, config: DataConfig, worker: int = 0, workers: int = 1
    ) -> None:
        """The rows whose number leaves the rest `worker` are this one's to write to disk; memory is shared out."""
        self.rows, self.frontend, self.config = rows, frontend, config
        self._worker, self._workers = worker, workers
        self._left = config.memory_gigabytes * 1e9 / workers
        self._kept: dict[int, Array] = {}
        self._cache: Cache | None = None
        self._how = f"{frontends.media(frontend)} {self._grid}"

    @property
    def _grid(self) -> int:
        return self.frontend.rate_hz if isinstance(self.frontend, SpeechFrontend) else self.frontend.height_px

    def decoded(self, index: int) -> Decoded:
        """The waveform or the line picture of a row. Refuses a file that cannot be read."""
        kept = self._kept.get(index)
        if kept is None:
            kept = self._from_cache(index) if self.config.cache else self._from_file(index)
            self._left -= kept.nbytes
            if self._left > 0:
                self._kept[index] = kept
        return Image.fromarray(kept) if kept.dtype == np.uint8 else kept.astype(np.float32) / np.float32(32767)

    def _from_file(self, index: int) -> Array:
        decoded = frontends.decode(self.rows[index].path, self.frontend)
        if isinstance(decoded, Image.Image):
            return np.asarray(decoded)
        return np.round(decoded * 32767).clip(-32768, 32767).astype(np.int16)

    def _from_cache(self, index: int) -> Array:
        path = self.rows[index].path
        if not path.exists() and archive.place(path) is None:
            return self._from_file(index)  # which says what is missing
        if self._cache is None:
            self._cache = Cache(self.config.cache, self.config.cache_gigabytes / self._workers)
        name = key(path, self._how)
        kept = self._cache.get(name)
        if kept is None:
            kept = self._from_file(index)
            if index % self._workers == self._worker:
                self._cache.put(name, kept)
        return kept
