"""What a run is: its data, alphabet and settings, so that a resumed run can tell whether it is still the same one."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from recog.checkpoint import Bundle
from recog.data import DataConfig, Samples
from recog.manifest import Row
from recog.training.settings import FitConfig

# How long and how loudly a run goes on may be decided anew; all else decides what its weights are.
FREE = {
    *("fit.epochs", "fit.minutes", "fit.peak_rate", "fit.stop_after", "fit.keep_best"),
    *("fit.log_every", "fit.tensorboard", "fit.save_minutes", "fit.patience_bad"),
    # How much fits into memory: the position within the epoch follows (`TrainState.position`).
    *("fit.accumulate", "data.batch_frames", "data.early_batch_frames"),
    *("data.workers", "data.memory_gigabytes", "data.cache", "data.cache_gigabytes"),
}


def identity(
    bundle: Bundle, samples: Samples, dev: Sequence[Row], config: FitConfig, batching: DataConfig
) -> dict[str, Any]:
    """Every setting that matters by its dotted name, and a digest of what is too long to be kept: plain JSON."""
    groups: dict[str, Any] = {
        "fit": config,
        "data": batching,
        "network": bundle.network.config,
        "frontend": bundle.frontend,
        "augment": samples.augment,
    }
    parts: dict[str, Any] = {
        "training rows": _digest(samples.rows),
        "rows left out": dict(samples.left_out),
        "dev rows": _digest(dev),
        "alphabet": "".join(bundle.alphabet.symbols),
        "text_rule": bundle.text_rule,
    }
    for name, group in groups.items():
        parts |= _flat(name, asdict(group) if group is not None else {})
    kept = {name: value for name, value in parts.items() if name not in FREE}
    result: dict[str, Any] = json.loads(json.dumps(kept))  # tuples become lists, as they will when they are read back
    return result


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What changed between two identities, in words; a setting that one of them does not know is left out."""
    return [_difference(name, before[name], now[name]) for name in before if name in now and before[name] != now[name]]


def _difference(name: str, before: Any, now: Any) -> str:
    if name.endswith(" rows"):
        return f"the {name} are others ({before} then, {now} now)"
    if name == "alphabet":
        gone, new = ("".join(sorted(set(one) - set(other))) for one, other in ((before, now), (now, before)))
        return (
            f"the alphabet lacks {gone!r} and has {new!r} instead" if gone or new else "the alphabet has another order"
        )
    return f"{name} was {json.dumps(before)} and is {json.dumps(now)}"


def _digest(rows: Iterable[Row]) -> str:
    """What training reads of the rows; not the folder, so that a data set may move."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.id, row.text, row.duration, row.fields.get("source")]).encode() + b"\n")
    return digest.hexdigest()[:16]


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}"
        flat |= _flat(name, value) if isinstance(value, dict) and value else {name: value}
    return flat
