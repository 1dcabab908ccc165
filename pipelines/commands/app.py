"""Starts the front end in the browser."""

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog app`."""
    from pipelines.web import serve

    serve.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serves until interrupted; 0 when everything succeeded, 1 when something failed."""
    from pipelines.web import serve

    return serve.serve(arguments)
