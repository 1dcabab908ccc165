"""Bundle + manifest -> a report of error rates, as a table for people and as JSON for programs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from recog import checkpoint, manifest, text
from recog.errors import ConfigError, ManifestError
from recog.evaluation import Evaluation, Scores, evaluate
from recog.frontend import media
from recog.hardship import Hardship
from recog.recognizer import DecodingOptions, Recognizer


def measure(
    bundle: str | Path,
    manifest_path: str | Path,
    options: DecodingOptions | None = None,
    part: str | None = None,
    hardship: Hardship | None = None,
) -> Evaluation:
    """Recognises the rows of a manifest (of one `part`, if given), with a progress bar on stderr."""
    recognizer = Recognizer(checkpoint.load(bundle), options)
    if hardship is not None and recognizer.bundle.kind != "speech":
        raise ConfigError(
            f"bundle {bundle} reads {recognizer.bundle.kind}; only recordings can be made noisy or narrow"
        )
    rows = manifest.read(manifest_path, part)
    wrong = [row.id for row in rows if row.media != media(recognizer.bundle.frontend)]
    if wrong:
        expected = media(recognizer.bundle.frontend)
        raise ManifestError(
            f"{len(wrong)} rows of {manifest_path} have no {expected!r}, which {bundle} reads; the first is {wrong[0]}"
        )
    with tqdm(total=len(rows), unit="row", desc=str(bundle)) as bar:
        return evaluate(recognizer, rows, progress=bar.update, harder=hardship.apply if hardship else None)


def as_json(evaluation: Evaluation, by: str | None = None) -> dict[str, Any]:
    """`cer`, `wer`, `rows`, `failed`, `text_rule`, `seconds`, `audio_seconds`, groups under `by`, and all `pairs`."""
    report: dict[str, Any] = {
        **_rates(evaluation.scores()),
        "failed": len(evaluation.failures),
        "text_rule": evaluation.text_rule,
        "seconds": round(evaluation.seconds, 3),
    }
    if evaluation.audio_seconds:
        report["audio_seconds"] = round(evaluation.audio_seconds, 3)
    if by:
        groups = evaluation.groups(by)
        report["by"] = {name: as_json(group) for name, group in groups.items()}
        for group in report["by"].values():
            del group["pairs"]
    report["pairs"] = [
        {"id": pair.row.id, "reference": pair.row.text, "hypothesis": pair.hypothesis}
        | ({by: pair.row.fields.get(by)} if by else {})
        | ({"failure": pair.failure} if pair.failure else {})
        for pair in evaluation.pairs
    ]
    return report


def _rates(scores: Scores) -> dict[str, Any]:
    return {
        "rows": scores.rows,
        "cer": round(scores.characters.rate, 5),
        "cer_interval": [round(bound, 5) for bound in scores.cer_interval],
        "wer": round(scores.words.rate, 5),
        "wer_interval": [round(bound, 5) for bound in scores.wer_interval],
        "substitutions": scores.words.substitutions,
        "deletions": scores.words.deletions,
        "insertions": scores.words.insertions,
        "words": scores.words.units,
    }


def table(evaluation: Evaluation, by: str | None = None, worst: int = 5) -> Iterator[str]:
    """The report as lines of text: rates with 95 % intervals, groups, failures, worst lines."""
    yield f"text rule: {text.definition(evaluation.text_rule)}"
    yield f"{'':30} {'rows':>6} {'CER %':>7} {'95 % interval':>15} {'WER %':>7} {'95 % interval':>15}  sub/del/ins words"
    yield _line("all", evaluation.scores())
    if by:
        for name, group in evaluation.groups(by).items():
            yield _line(name, group.scores())
    speed = f"{evaluation.seconds:.1f} s"
    if evaluation.audio_seconds:
        speed += f" for {evaluation.audio_seconds / 60:.1f} min of sound ({evaluation.audio_seconds / evaluation.seconds:.0f} x real time)"
    yield f"recognised in {speed}, {len(evaluation.failures)} rows failed"
    for pair in evaluation.failures:
        yield f"failed: {pair.row.id}: {pair.failure}"
    for pair, rate in evaluation.worst(worst):
        yield f"{100 * rate:5.1f} %  {pair.row.id}\n    should be: {pair.row.text}\n    is:        {pair.hypothesis}"


def _line(name: str, scores: Scores) -> str:
    (cer_low, cer_high), (wer_low, wer_high) = scores.cer_interval, scores.wer_interval
    words = scores.words
    return (
        f"{name[:30]:30} {scores.rows:6} {100 * scores.characters.rate:7.2f} {100 * cer_low:7.2f}-{100 * cer_high:<7.2f} "
        f"{100 * words.rate:7.2f} {100 * wer_low:7.2f}-{100 * wer_high:<7.2f}  "
        f"{words.substitutions}/{words.deletions}/{words.insertions} of {words.units}"
    )
