"""A folder of samples -> the two manifests of a training, whatever way the folder tells what its samples say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recog import manifest
from recog.corpora import folder, lines
from recog.errors import ManifestError
from recog.manifest import Row

# Every fifth sample chooses the best weights and teaches nothing, where the folder does not say which.
ONE_IN = 5
_MEDIA = {"speech": "audio", "handwriting": "image"}


@dataclass(frozen=True)
class TrainingRows:
    """How many rows the manifests got."""

    train: int
    dev: int


def gather(
    source: Path,
    kind: str,
    out: Path,
    within: bool = False,
    tell: Callable[[int, int], object] = lambda done, all_: None,
) -> TrainingRows:
    """Writes train.jsonl and dev.jsonl into the folder `out`, from the samples in `source` for a bundle of that kind.

    Taken are: `train.jsonl` and `dev.jsonl`; or one manifest of another name; or recordings with a `.txt`, or pictures
    of lines with a `.gt.txt` of the same name beside each, at any depth; `tell` is told of files looked at, and of how
    many there are. Refuses fewer than ONE_IN samples, samples of
    the other kind, rows whose file is missing, and, where `within`, rows that name files outside the folder.
    """
    if not source.is_dir():
        raise ManifestError(f"{source} is not a folder; name the one that the samples lie in")
    named = sorted(source.rglob("*.jsonl"))
    by_name = {path.name: path for path in reversed(named)}
    if {"train.jsonl", "dev.jsonl"} <= set(by_name):
        train, dev = (_rows(by_name[name], kind, source, within) for name in ("train.jsonl", "dev.jsonl"))
    elif len(named) > 1:
        raise ManifestError(
            f"{source} holds {len(named)} manifests; expected one, or two called train.jsonl and dev.jsonl"
        )
    elif named:
        train, dev = _parted(_rows(named[0], kind, source, within))
    else:
        found = (folder if kind == "speech" else lines).read(source, out, tell)
        train, dev = _parted([sample.row for sample in found.samples])
    if len(train) + len(dev) < ONE_IN:
        raise ManifestError(f"{source} holds {len(train) + len(dev)} samples; at least {ONE_IN} are needed")
    out.mkdir(parents=True, exist_ok=True)
    return TrainingRows(manifest.write(out / "train.jsonl", train), manifest.write(out / "dev.jsonl", dev))


def _parted(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return (
        [row for number, row in enumerate(rows, 1) if number % ONE_IN],
        [row for number, row in enumerate(rows, 1) if not number % ONE_IN],
    )


def _rows(path: Path, kind: str, source: Path, within: bool) -> list[dict[str, Any]]:
    """The rows of a manifest, their paths made absolute."""
    rows = manifest.read(path)
    for row in rows:
        if row.media != _MEDIA[kind]:
            raise ManifestError(f"line {row.line} of {path} has {row.media!r}; a {kind} bundle reads {_MEDIA[kind]!r}")
        if within and not row.path.resolve().is_relative_to(source.resolve()):
            raise ManifestError(f"line {row.line} of {path} names a file outside the folder: {row.id!r:.80}")
        if ".tar/" not in row.id and not row.path.is_file():
            raise ManifestError(f"line {row.line} of {path} names {row.id!r:.80}, which is not there")
    return [_absolute(row) for row in rows]


def _absolute(row: Row) -> dict[str, Any]:
    # `words` and all else that a row tells stays with it.
    return {**row.fields, row.media: str(row.path.resolve())}
