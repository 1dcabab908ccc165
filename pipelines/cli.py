"""The `recog` command: parse, call one pipeline function, print. Results go to stdout, talk to stderr."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from recog import __version__
from recog.errors import ConfigError, RecogError
from recog.recognizer import DecodingOptions

PRESETS = Path(__file__).resolve().parents[1] / "scripts" / "presets"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when everything succeeded, 1 when something failed, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="recog", description="Recordings and handwriting to text, on your own machine."
    )
    parser.add_argument("--version", action="version", version=f"recog {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (fill, run, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line)
        fill(command)
        command.set_defaults(run=run)
    arguments = parser.parse_args(argv)
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


def _app_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1: this machine only)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default 7860)")


def _app(arguments: argparse.Namespace) -> int:
    from pipelines.web.page import serve

    serve(arguments.host, arguments.port)
    return 0


def _test_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="handed on to pytest (after --)")


def _test(arguments: argparse.Namespace) -> int:
    from pipelines.environment import run_tests

    return run_tests(arguments.arguments)


def _decoding_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--greedy", action="store_true", help="take the likeliest symbol of each frame, without search")
    parser.add_argument(
        "--beam",
        type=int,
        default=DecodingOptions.beam,
        help=f"prefixes kept by the search (default {DecodingOptions.beam})",
    )
    parser.add_argument(
        "--device", choices=["auto", "cpu", "cuda"], default="auto", help="where the network runs (default auto)"
    )


def _decoding(arguments: argparse.Namespace) -> DecodingOptions:
    return DecodingOptions(beam=0 if arguments.greedy else arguments.beam, device=arguments.device)


Fill = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], int]
# Command -> its options, what it does, and one line of help.
COMMANDS: dict[str, tuple[Fill, Run, str]] = {
    "transcribe": (_transcribe_options, _transcribe, "Transcribes recordings and pictures of handwriting."),
    "evaluate": (_evaluate_options, _evaluate, "Measures CER and WER of a bundle on a manifest."),
    "train": (_train_options, _train, "Trains a recogniser from a preset and two manifests."),
    "prepare": (_prepare_options, _prepare, "Turns a corpus into manifests."),
    "app": (_app_options, _app, "Starts the front end in the browser."),
    "test": (_test_options, _test, "Runs lint, type check and tests of a checkout."),
}
