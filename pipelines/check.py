"""Manifests -> a report of their faults, as lines for people and as JSON for programs: to be read before training."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipelines import training
from recog import checkpoint, text
from recog.errors import ConfigError, ManifestError
from recog.frontend import media
from recog.inspection import facts, finding, inspect
from recog.inspection.facts import Facts, Sound
from recog.inspection.finding import KINDS, Split
from recog.inspection.inspect import Inspection, Standard
from recog.models.network import Network


@dataclass(frozen=True)
class Checked:
    """Everything a report is made of."""

    splits: tuple[Split, ...]
    standard: Standard
    facts: dict[Path, Facts]
    inspection: Inspection


def check(
    manifests: Sequence[str | Path],
    preset: str | Path | None = None,
    bundle: str | Path | None = None,
    overrides: Sequence[str] = (),
    workers: int | None = None,
) -> Checked:
    """Decodes every file of the manifests, the training manifest first, and finds what is wrong with them.

    Held against a preset, or against a bundle that is to be trained on; without either against the defaults.
    """
    if len({Path(path).resolve() for path in manifests}) < len(manifests):
        raise ConfigError("a manifest is named twice; name each split once, the training split first")
    if overrides and not preset:
        raise ConfigError(f"--set {overrides[0]} changes a setting of a preset; name it with --preset")
    splits = tuple(finding.read(path) for path in manifests)
    standard = _standard(splits, preset, bundle, overrides)
    rows = [row for split in splits for row in split.rows if row.media == media(standard.frontend)]
    paths = list(dict.fromkeys(row.path for row in rows))
    with tqdm(total=len(paths), unit="file", desc="decoding", leave=False) as bar:
        found = facts.examine_all(
            paths, standard.frontend, facts.workers_for(len(paths)) if workers is None else workers, bar.update
        )
    return Checked(splits, standard, found, inspect.inspect(splits, standard, found))


def _standard(
    splits: Sequence[Split], preset: str | Path | None, bundle: str | Path | None, overrides: Sequence[str]
) -> Standard:
    if bundle:
        loaded = checkpoint.load(bundle)
        shorten = functools.partial(_shorten, loaded.network)
        return Standard(loaded.frontend, loaded.text_rule, shorten, loaded.alphabet)
    if preset:
        settings = training.settings(preset, overrides)
    else:
        media_found = [row.media for split in splits for row in split.rows]
        if not media_found:
            raise ManifestError(f"{splits[0].name} holds no row that can be read")
        settings = training.SpeechTraining() if media_found[0] == "audio" else training.HandwritingTraining()
    network = Network(settings.network, settings.frontend.features, 2)
    return Standard(
        settings.frontend, settings.text_rule, functools.partial(_shorten, network), rare=settings.data.rare
    )


def _shorten(network: Network, frames: int) -> int:
    return int(network.map_lengths(torch.tensor([frames])))


def summary(checked: Checked, split: Split) -> dict[str, Any]:
    """How much a split holds: rows and how many can be trained on, hours of sound or frames, characters, persons, sources."""
    rule, frontend = text.rule(checked.standard.text_rule), checked.standard.frontend
    rows = [row for row in split.rows if row.media == media(frontend)]
    found = [checked.facts[row.path] for row in rows]
    seconds = sum(one.content.seconds for one in found if isinstance(one.content, Sound))
    persons = {str(row.fields.get("speaker") or row.fields.get("writer") or "") for row in rows} - {""}
    known = set(checked.inspection.alphabet.symbols)
    out = {
        one.line
        for one in checked.inspection.findings
        if one.manifest == split.name and one.kind in ("missing", "unreadable", "infeasible")
    }
    spelled = [(row, rule(row.text)) for row in rows if row.line not in out and checked.facts[row.path].content]
    return {
        "manifest": split.name,
        "rows": len(rows),
        # Decodable, with a text that fits the alphabet and the frames.
        "usable": sum(bool(words) and known.issuperset(words) for _, words in spelled),
        **({"hours": round(seconds / 3600, 3)} if media(frontend) == "audio" else {}),
        "frames": sum(one.frames for one in found),
        "characters": sum(len(rule(row.text)) for row in rows),
        "persons": len(persons),
        "sources": len({str(row.fields.get("source")) for row in rows}),
    }


def as_json(checked: Checked) -> dict[str, Any]:
    """`splits`, `alphabet`, `text_rule`, `errors`, `warnings`, counts under `kinds`, and all `findings`."""
    inspected = checked.inspection
    return {
        "splits": [summary(checked, split) for split in checked.splits],
        "text_rule": checked.standard.text_rule,
        "alphabet": "".join(inspected.alphabet.symbols),
        "errors": inspected.errors,
        "warnings": len(inspected.findings) - inspected.errors,
        "kinds": {kind: len(found) for kind, found in inspected.kinds().items()},
        "findings": [asdict(finding) | {"error": finding.is_error} for finding in inspected.findings],
    }


def table(checked: Checked, show: int = 3) -> Iterator[str]:
    """The report as lines: what the splits hold, then each kind of finding with its total and the first `show`."""
    for split in checked.splits:
        told = summary(checked, split)
        amount = f"{told['hours']:.2f} h" if "hours" in told else f"{told['frames'] / 1e6:.2f} M columns"
        who = "speakers" if "hours" in told else "writers"
        yield (
            f"{split.name}: {told['rows']} rows, {told['usable']} of them usable, {amount}, {told['characters']} characters, {told['persons']} {who}, "
            f"{told['sources']} sources"
        )
    inspected = checked.inspection
    origin = "the bundle's" if checked.standard.alphabet else f"from {checked.splits[0].name}"
    yield f"alphabet: {len(inspected.alphabet.symbols)} characters, {origin}; text rule: {text.definition(checked.standard.text_rule)}"
    for kind, found in inspected.kinds().items():
        yield f"{'ERROR  ' if found[0].is_error else 'warning'} {kind}: {len(found)} ({KINDS[kind]})"
        for one in found[:show]:
            yield f"    {one.manifest}:{one.line}{f' {one.sample}' if one.sample else ''}: {one.message}"
        if len(found) > show:
            yield f"    ... and {len(found) - show} more; --json FILE names them all"
    yield f"{inspected.errors} errors, {len(inspected.findings) - inspected.errors} warnings"
