"""Serves the page and the HTTP API, with settings from a file or the environment and a log for machines."""

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog serve`."""
    from pipelines.web import serve

    serve.add_options(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="settings in TOML, the keys of pipelines/web/settings.py; RECOG_SERVE_PORT=8000 and the like overrule them",
    )
    parser.add_argument("--log", choices=["json", "plain"], default=None, help="lines on stderr (json)")


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGTERM or Ctrl-C, finishing what runs; 0 when everything succeeded, 1 when something failed."""
    from pipelines.web import serve

    return serve.serve(arguments, arguments.config, {"log": "json", "runs": ""})
