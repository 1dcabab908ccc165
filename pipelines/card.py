"""The result card of a training run: what was trained, on what, how long, where, and what came of it. Markdown for people."""

import os
import platform
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import torch

from recog import text
from recog.manifest import Row
from recog.models.network import Network
from recog.trainer import Fitted


def training_card(fitted: Fitted, rows: Sequence[Row], dev: Sequence[Row], settings: dict[str, object]) -> str:
    """The card that `train` leaves in the bundle; `settings` are the preset's, overrides included."""
    bundle, best = fitted.bundle, fitted.best
    low, high = best.cer_interval
    parameters = sum(parameter.numel() for parameter in bundle.network.parameters())
    return "\n".join(
        [
            f"# {bundle.name}",
            "",
            f"{_shape(bundle.network)}, {parameters / 1e6:.1f} M parameters, {len(bundle.alphabet.symbols)} symbols, "
            f"text rule {text.definition(bundle.text_rule)}.",
            "",
            "## Trained on",
            "",
            *_sources(rows),
            "",
            f"Seed {bundle.provenance.get('seed')}, {fitted.epochs} epochs, {fitted.updates} updates, "
            f"{fitted.minutes:.0f} minutes on {hardware()}; recog at commit {commit()}.",
            "",
            "## Figures",
            "",
            f"Greedy, on the {best.rows} of {len(dev)} dev rows that chose this bundle (so a little too kind): "
            f"CER {100 * best.characters.rate:.2f} % (95 % interval {100 * low:.2f}-{100 * high:.2f}), "
            f"WER {100 * best.words.rate:.2f} %.",
            "",
            "## Settings",
            "",
            *(f"- {group}: {values}" for group, values in settings.items()),
            "",
        ]
    )


def _shape(network: Network) -> str:
    config = network.config
    return (
        f"{len(config.channels)} convolutions (channels {list(config.channels)}), {config.layers} bidirectional LSTM layers "
        f"of 2 x {config.hidden} (rates {list(config.rates)})"
    )


def _sources(rows: Sequence[Row]) -> list[str]:
    """A table: rows, hours where the manifest tells durations, speakers or writers, by source."""
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[str(row.fields.get("source", "not named"))].append(row)
    lines = ["| source | rows | hours | speakers or writers |", "|---|---|---|---|"]
    for source, group in sorted(members.items()):
        hours = sum(row.duration or 0 for row in group) / 3600
        people = {person for row in group if (person := row.fields.get("speaker") or row.fields.get("writer"))}
        lines.append(f"| {source} | {len(group)} | {f'{hours:.2f}' if hours else '-'} | {len(people) or '-'} |")
    return lines


def hardware() -> str:
    """The processor and the GPU that PyTorch would use, in a few words."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, PyTorch {torch.__version__}"


def commit() -> str:
    """The commit of the checkout this runs from, or "unknown" outside one."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
