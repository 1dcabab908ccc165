"""Corpora -> manifests: find the kind's files, leave out what is unfit and say so, split off dev, write."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recog import manifest
from recog.corpora import (
    an4,
    commonvoice,
    folder,
    iam,
    kaldi,
    librispeech,
    lines,
    ljspeech,
    pages,
    rimes,
    shards,
    timit,
    toy,
)
from recog.corpora.found import Found, Sample
from recog.corpora.split import ONE_IN, Split, in_parts, split
from recog.errors import ConfigError, ManifestError

KINDS: dict[str, str] = {
    "shards": "data folder of tar shards and manifests (speech/ and hand/, or one of them): unpacked and sifted",
    "folder": "recordings (wav flac ogg opus mp3 webm m4a aac mp4) with a .txt of the same name beside each",
    "lines": "line images (name.png, name.nrm.png, name.bin.png) with name.gt.txt beside each",
    "page": "PAGE XML with the page's picture (beside it or one folder up): lines are cut out",
    "alto": "ALTO XML with the page's picture: lines are cut out",
    "librispeech": "LibriSpeech's layout: SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt, in subset folders or without",
    "ljspeech": "LJ Speech's layout: metadata.csv (id|text|text) and wavs/",
    "commonvoice": "Common Voice, one language: train.tsv, dev.tsv, test.tsv (or validated.tsv) and clips/",
    "an4": "CMU AN4 and other SphinxTrain corpora: etc/*.fileids, etc/*.transcription, wav/ (sph, wav, raw)",
    "timit": "TIMIT: phones by name as text, core test set, without the sa sentences (presets: text rule phones-39)",
    "kaldi": "Kaldi data folders: wav.scp with plain paths, text, utt2spk, segments (cut out); commands are refused",
    "iam": "IAM: line images with lines.txt or xml/, and the lists of a partition where they are",
    "rimes": "RIMES 2011: pages with their XML (lines are cut out), or Sets/, Images/ and Transcriptions/",
    "toy": "generated whistled words and drawn lines, no source needed (write - for it): trains in two minutes",
}
USES = ("train", "dev", "test")
# So many names of what was left out are told for each reason.
NAMED = 3


@dataclass(frozen=True)
class Prepared:
    """What `prepare` has left on the disk, and what it had to leave out."""

    # Manifest -> its rows, those of an earlier run with the same content included.
    manifests: dict[Path, int]
    # Reason -> how many samples or files.
    left_out: dict[str, int]


@dataclass(frozen=True)
class _Plan:
    """All that will be written, known before anything is."""

    # Rows of each manifest.
    manifests: dict[Path, list[dict[str, Any]]] = field(default_factory=dict)
    # Reason -> names.
    left_out: dict[str, list[str]] = field(default_factory=dict)
    # Media to bring about first: shards to unpack, files to draw.
    work: list[Callable[[], None]] = field(default_factory=list)


def prepare(kind: str, source: Path | None, out: Path, *, force: bool = False) -> Prepared:
    """Makes the manifests of a corpus below `out`, and its media where they must be unpacked or drawn.

    `kind` is one of KINDS; `source` is the corpus (for "toy": None or "-"). What is left out is told on stderr.
    Refuses an unknown kind, a source with nothing usable, and, unless forced, to replace a manifest of other content.
    """
    if kind not in KINDS:
        raise ConfigError(f"corpus kind {kind!r} is unknown; choose one of {', '.join(KINDS)}")
    if (kind == "toy") != (source is None or str(source) == "-"):
        expected = "needs no source; write -" if kind == "toy" else "needs a source, the folder that holds the corpus"
        raise ConfigError(f"corpus kind {kind!r} {expected} (got {source})")
    if out.exists() and not out.is_dir():
        raise ManifestError(f"{out} is a file; name a folder for the manifests")
    plan = _PLANNERS[kind](source or Path("-"), out)
    new = {path: rows for path, rows in plan.manifests.items() if not _holds(path, rows)}
    taken = [path for path in new if path.exists()]
    if taken and not force:
        raise ManifestError(
            f"{taken[0]} exists with other content; nothing was changed: name another folder, or allow it with --force"
        )
    try:
        for work in tqdm(plan.work, "making media", mininterval=0.5, disable=not plan.work):
            work()
        for path, rows in new.items():
            _replace(path, rows)
    except OSError as error:
        raise ManifestError(f"{error.filename or out} cannot be written: {error.strerror}") from error
    counts = {path: len(rows) for path, rows in plan.manifests.items() if rows}
    _tell(counts, plan.left_out)
    return Prepared(counts, {reason: len(names) for reason, names in plan.left_out.items()})


def _holds(path: Path, rows: list[dict[str, Any]]) -> bool:
    """Whether a manifest already says just this; no rows are said by no file."""
    try:
        written = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in written.split("\n") if line.strip()] == rows
    except FileNotFoundError:
        return not rows
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return False


def _replace(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if rows:
        manifest.write(path, rows)
    else:
        path.unlink(missing_ok=True)  # the earlier corpus had more: its rows must not be taken for this one's


def _tell(counts: dict[Path, int], left_out: dict[str, list[str]]) -> None:
    for path, count in counts.items():
        print(f"{path}: {count} rows", file=sys.stderr)
    for reason, names in left_out.items():
        more = ", ..." if len(names) > NAMED else ""
        print(f"left out: {len(names)} x {reason}: {', '.join(names[:NAMED])}{more}", file=sys.stderr)


def _plan_shards(source: Path, out: Path) -> _Plan:
    plan = _Plan()
    for room in shards.rooms(source):
        target = out / room.name
        if target.resolve() == room.shards[0].parent.resolve():
            raise ManifestError(f"{target} holds the shards themselves; name another folder to unpack into")
        inside = shards.contents(room.shards)
        for path in room.manifests:
            found = shards.sift(path, inside)
            if found.samples:
                plan.manifests[target / path.name.removeprefix("lines-")] = [sample.row for sample in found.samples]
            for reason, names in found.left_out.items():
                plan.left_out.setdefault(f"{reason} ({room.name}/{path.name})", []).extend(names)

        def unpack(room: shards.Room = room, target: Path = target, total: int = len(inside)) -> None:
            shards.unpack(room.shards, target, total)

        plan.work.append(unpack)
    if not plan.manifests:
        raise ManifestError(f"{source}: the shards hold none of the files that the manifests beside them name")
    return plan


def _plan_by_use(read: Callable[[Path, Path], Found]) -> Callable[[Path, Path], _Plan]:
    """A planner for an importer: rows by the corpus's own use of them, dev split off where it has none."""

    def plan(source: Path, out: Path) -> _Plan:
        found = read(source, out)
        # Where the corpus names uses for some rows only, the others are for training.
        uses = {use: [sample for sample in found.samples if (sample.use or "train") == use] for use in USES}
        if uses["dev"]:
            train, dev = [sample.row for sample in uses["train"]], in_parts([sample.row for sample in uses["dev"]])
        else:
            parts = _split(uses["train"])
            train, dev = parts.train, parts.dev
        plan = _Plan({out / "train.jsonl": train, out / "dev.jsonl": dev}, found.left_out, found.work)
        if any(sample.use for sample in found.samples):
            plan.manifests[out / "test.jsonl"] = [sample.row for sample in uses["test"]]
        return plan

    return plan


def _plan_librispeech(source: Path, out: Path) -> _Plan:
    """One subset is split; of several, each gets its manifest, and dev-* and test-* stay out of train.jsonl."""
    found = librispeech.read(source, out)
    subsets: dict[str, list[Sample]] = {}
    for sample in found.samples:
        subsets.setdefault(sample.row["source"], []).append(sample)
    if len(subsets) == 1:
        return _with_dev(found, out)
    official = {"dev": Found(), "test": Found(), "train": Found()}
    for name, samples in subsets.items():
        official[next((use for use in ("dev", "test") if name.startswith(use)), "train")].samples.extend(samples)
    if official["dev"].samples:
        dev = in_parts([sample.row for sample in official["dev"].samples])
        plan = _Plan(
            {out / "train.jsonl": [sample.row for sample in official["train"].samples], out / "dev.jsonl": dev}
        )
    else:
        plan = _with_dev(official["train"], out)
    for name, samples in subsets.items():
        # A subset called just "dev" must not take the place of the rows with a part.
        plan.manifests.setdefault(out / f"{name}.jsonl", [sample.row for sample in samples])
    plan.left_out.update(found.left_out)
    return plan


def _plan_toy(_source: Path, out: Path) -> _Plan:
    plan = _Plan()
    for name, samples in (("speech", toy.speech()), ("hand", toy.handwriting())):
        total = toy.TRAIN_ROWS + toy.DEV_ROWS
        drawn = list(tqdm(samples, f"drawing {name}", total, unit="sample", mininterval=0.5))
        for file, rows in toy.manifests([sample.row for sample in drawn]).items():
            plan.manifests[out / name / file] = rows

        def write(drawn: list[toy.Drawn] = drawn, target: Path = out / name) -> None:
            for sample in drawn:
                toy.write(sample, target)

        plan.work.append(write)
    return plan


def _with_dev(found: Found, out: Path) -> _Plan:
    parts = _split(found.samples)
    return _Plan({out / "train.jsonl": parts.train, out / "dev.jsonl": parts.dev}, found.left_out)


def _split(samples: Sequence[Sample]) -> Split:
    parts = split(samples)
    if samples and not parts.dev:
        print(f"{len(samples)} samples are too few to spare any for dev (from {ONE_IN} on)", file=sys.stderr)
    return parts


_PLANNERS: dict[str, Callable[[Path, Path], _Plan]] = {
    "shards": _plan_shards,
    "folder": _plan_by_use(folder.read),
    "lines": _plan_by_use(lines.read),
    "page": _plan_by_use(pages.read_page_xml),
    "alto": _plan_by_use(pages.read_alto),
    "librispeech": _plan_librispeech,
    "ljspeech": _plan_by_use(ljspeech.read),
    "commonvoice": _plan_by_use(commonvoice.read),
    "an4": _plan_by_use(an4.read),
    "timit": _plan_by_use(timit.read),
    "kaldi": _plan_by_use(kaldi.read),
    "iam": _plan_by_use(iam.read),
    "rimes": _plan_by_use(rimes.read),
    "toy": _plan_toy,
}
