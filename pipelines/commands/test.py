"""Runs lint, type check and tests of a checkout."""

import argparse


def add_options(parser: argparse.ArgumentParser) -> None:
    """The command line of `recog test`."""
    parser.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="handed on to pytest (after --)")


def run(arguments: argparse.Namespace) -> int:
    """Does it; 0 when everything succeeded, 1 when something failed."""
    from pipelines.environment import run_tests

    return run_tests(arguments.arguments)
