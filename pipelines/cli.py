"""The `recog` command: parse, call one pipeline function, print. Results go to stdout, talk to stderr."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recog import __version__
from recog.errors import ConfigError, RecogError

if TYPE_CHECKING:  # PyTorch is loaded by the commands that need it: --help answers at once
    from recog.lm.hotwords import Hotword

if TYPE_CHECKING:  # PyTorch is loaded by the commands that need it: --help answers at once
    from recog.lm.hotwords import Hotword
    from recog.recognizer import DecodingOptions

PRESETS = Path(__file__).resolve().parents[1] / "scripts" / "presets"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when everything succeeded, 1 when something failed, 2 for a wrong call."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="recog", description="Recordings and handwriting to text, on your own machine."
    )
    parser.add_argument("--version", action="version", version=f"recog {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (fill, run, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        if name in given:  # the others' options, and what they would import, are nobody's concern now
            fill(command)
        command.set_defaults(run=run)
    arguments = parser.parse_args(given)
    try:
        return int(arguments.run(arguments))
    except RecogError as error:
        print(f"recog {arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _transcribe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings or pictures")
    parser.add_argument(
        "--bundle", help="name or folder (default: speech-en for sound, handwriting-latin for pictures)"
    )
    parser.add_argument(
        "--format",
        choices=["txt", "json"],
        default="txt",
        help="txt: the text; json: words with times or boxes (default txt)",
    )
    _decoding_options(parser)


def _transcribe(arguments: argparse.Namespace) -> int:
    from pipelines.transcription import transcribe

    several, failed = len(arguments.files) > 1, 0
    for outcome in transcribe(arguments.files, arguments.bundle, _decoding(arguments)):
        if outcome.transcript is None:
            failed += 1
            print(f"recog transcribe: {outcome.failure}", file=sys.stderr)
        elif arguments.format == "json":
            print(json.dumps({"file": str(outcome.path), **outcome.transcript.as_json()}, ensure_ascii=False))
        else:
            print(f"{outcome.path}: {outcome.transcript.text}" if several else outcome.transcript.text)
    if failed and several:
        print(f"recog transcribe: {failed} of {len(arguments.files)} files failed", file=sys.stderr)
    return 1 if failed else 0


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", help="name or folder of a bundle")
    parser.add_argument("manifest", type=Path, help="JSON lines with audio or image, and text")
    parser.add_argument("--part", help="only rows with this part, e.g. report")
    parser.add_argument("--by", help="a field of the manifest to group by, e.g. source")
    parser.add_argument("--worst", type=int, default=5, help="how many of the worst lines to show (default 5)")
    parser.add_argument("--json", type=Path, help="write the report with all pairs to this file")
    _decoding_options(parser)


def _evaluate(arguments: argparse.Namespace) -> int:
    from pipelines import measurement

    evaluation = measurement.measure(arguments.bundle, arguments.manifest, _decoding(arguments), arguments.part)
    for line in measurement.table(evaluation, arguments.by, arguments.worst):
        print(line)
    if arguments.json:
        report = measurement.as_json(evaluation, arguments.by)
        arguments.json.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if evaluation.failures else 0


def _train_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "preset", help=f"settings file, or one of {', '.join(sorted(p.stem for p in PRESETS.glob('*.toml')))}"
    )
    parser.add_argument("--train", type=Path, required=True, help="manifest to train on")
    parser.add_argument(
        "--dev", type=Path, required=True, help="manifest to choose the best by (its rows with part tune, if any)"
    )
    parser.add_argument("--out", type=Path, required=True, help="run folder: state, log, best bundle")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=value", dest="overrides", help="change a setting"
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on with the run in --out as if it had never stopped")
    start.add_argument("--init-from", metavar="BUNDLE", help="start from the weights of a bundle")


def _train(arguments: argparse.Namespace) -> int:
    from pipelines import training

    preset = Path(arguments.preset)
    if not preset.is_file():
        preset = PRESETS / f"{arguments.preset}.toml"
    if not preset.is_file():
        raise ConfigError(
            f"preset {arguments.preset!r} is neither a file nor one of {sorted(p.stem for p in PRESETS.glob('*.toml'))}"
        )
    settings = training.settings(preset, arguments.overrides)
    fitted = training.train(
        settings, arguments.train, arguments.dev, arguments.out, arguments.resume, arguments.init_from
    )
    best = fitted.best
    print(
        f"{arguments.out / 'best'}: dev CER {100 * best.characters.rate:.2f} %, WER {100 * best.words.rate:.2f} % on {best.rows} rows, greedy"
    )
    return 0


def _prepare_options(parser: argparse.ArgumentParser) -> None:
    from pipelines.preparation import KINDS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {kind:12} {line}" for kind, line in KINDS.items())
    parser.add_argument("kind", choices=list(KINDS), metavar="KIND", help="what SOURCE is, see below")
    parser.add_argument("source", metavar="SOURCE", help="folder to read ('-' for kinds that need none)")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write manifests (and unpacked media) to")
    parser.add_argument("--force", action="store_true", help="replace manifests of different content")


def _prepare(arguments: argparse.Namespace) -> int:
    from pipelines.preparation import prepare

    source = None if arguments.source == "-" else Path(arguments.source)
    prepared = prepare(arguments.kind, source, arguments.out, force=arguments.force)
    for path, rows in prepared.manifests.items():
        print(f"{path}: {rows} rows")
    for reason, count in prepared.left_out.items():
        print(f"left out: {count} ({reason})", file=sys.stderr)
    return 0


def _tune_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", help="name or folder of a bundle; its decoder.json is rewritten")
    parser.add_argument("manifest", type=Path, help="rows to tune on; never those that are reported")
    parser.add_argument("--part", default="tune", help="only rows with this part (default tune)")
    parser.add_argument("--rows", type=int, default=300, help="rows used, evenly spaced (default 300)")
    parser.add_argument("--beam", type=int, default=100, help="beam to tune with and to store (default 100)")
    parser.add_argument("--words", type=Path, help="a word model (train_lm) to put into the bundle first")
    parser.add_argument("--characters", type=Path, help="a character model to put into the bundle first")


def _tune(arguments: argparse.Namespace) -> int:
    from pipelines.tuning import put_models, tune

    put_models(arguments.bundle, arguments.words, arguments.characters)
    tuned = tune(arguments.bundle, arguments.manifest, arguments.part, arguments.rows, arguments.beam)
    for line in tuned.table():
        print(line)
    return 0


def _app_options(parser: argparse.ArgumentParser) -> None:
    from pipelines.web.serve import add_options

    add_options(parser)


def _app(arguments: argparse.Namespace) -> int:
    from pipelines.web.serve import serve

    return serve(arguments)


def _test_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="handed on to pytest (after --)")


def _test(arguments: argparse.Namespace) -> int:
    from pipelines.environment import run_tests

    return run_tests(arguments.arguments)


def _decoding_options(parser: argparse.ArgumentParser) -> None:
    search = parser.add_mutually_exclusive_group()
    search.add_argument("--greedy", action="store_true", help="take the likeliest symbol of each frame, without search")
    search.add_argument("--beam", type=int, help="prefixes kept by the search (default: as the bundle was tuned)")
    parser.add_argument("--no-language", action="store_true", help="search without the bundle's language models")
    parser.add_argument(
        "--hotword", action="append", default=[], metavar="PHRASE[=WEIGHT]", help="prefer a word or phrase (weight 8)"
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where the network runs (default auto)"
    )


def _decoding(arguments: argparse.Namespace) -> "DecodingOptions":
    from recog.recognizer import DecodingOptions

    return DecodingOptions(
        beam=0 if arguments.greedy else arguments.beam,
        language=not arguments.no_language,
        hotwords=tuple(_hotword(written) for written in arguments.hotword),
        device=arguments.device,
    )


def _hotword(written: str) -> "Hotword":
    from recog.lm.hotwords import Hotword

    phrase, equals, weight = written.rpartition("=")
    try:
        return Hotword(phrase, float(weight)) if equals else Hotword(written)
    except ValueError as error:
        raise ConfigError(
            f"--hotword {written!r}: {weight!r} is not a number; write PHRASE or PHRASE=WEIGHT"
        ) from error


Fill = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]
# Command -> its options, what it does, and one line of help.
COMMANDS: dict[str, tuple[Fill, Run, str]] = {
    "transcribe": (_transcribe_options, _transcribe, "Transcribes recordings and pictures of handwriting."),
    "evaluate": (_evaluate_options, _evaluate, "Measures CER and WER of a bundle on a manifest."),
    "train": (_train_options, _train, "Trains a recogniser from a preset and two manifests."),
    "prepare": (_prepare_options, _prepare, "Turns a corpus into manifests."),
    "tune": (_tune_options, _tune, "Puts language models into a bundle and tunes its decoder."),
    "app": (_app_options, _app, "Starts the front end in the browser."),
    "test": (_test_options, _test, "Runs lint, type check and tests of a checkout."),
}
