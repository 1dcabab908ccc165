"""Corpora as they are downloaded, built small: recordings, texts, tars and manifests."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np


def write_wav(path: Path, seconds: float, rate_hz: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (3000 * np.sin(np.arange(round(seconds * rate_hz)))).astype(np.int16)
    path.write_bytes(wav(samples.tobytes(), rate_hz))


def wav(samples: bytes, rate_hz: int) -> bytes:
    header = b"RIFF" + (36 + len(samples)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    numbers = [(1, 2), (1, 2), (rate_hz, 4), (2 * rate_hz, 4), (2, 2), (16, 2)]
    header += b"".join(number.to_bytes(size, "little") for number, size in numbers)
    return header + b"data" + len(samples).to_bytes(4, "little") + samples


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_tar(path: Path, members: dict[str, bytes], extra: tarfile.TarInfo | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        if extra is not None:
            tar.addfile(extra, io.BytesIO(bytes(extra.size)))


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
