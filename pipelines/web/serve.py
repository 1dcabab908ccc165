"""Serves page and HTTP API until stopped: what `python app.py`, `recog app` and `recog serve` do."""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.web.settings import read

# Addresses that only this machine can reach.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the page's command; None means that the environment, the file or the default decides."""
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 opens the page to the network (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 7860 up)")
    parser.add_argument("--speech", metavar="BUNDLE", help="name or folder of the speech bundle (speech-en)")
    parser.add_argument(
        "--handwriting", metavar="BUNDLE", help="name or folder of the handwriting bundle (handwriting-latin)"
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the token that clients of the HTTP API must send, and the password of the page (none); "
        "or set RECOG_TOKEN",
    )
    parser.add_argument(
        "--runs",
        metavar="FOLDER",
        help="folder that the Train tab keeps its runs in (app: runs; serve: none, no training)",
    )


def serve(arguments: argparse.Namespace, config: str | None = None, defaults: Mapping[str, Any] | None = None) -> int:
    """Serves page and HTTP API until Ctrl-C or a plain kill, and cleans up after both; 1 where it cannot.

    Refuses, in a ConfigError, settings that are wrong, and a token that is easily guessed.
    """
    settings = read(config, os.environ, vars(arguments), defaults or {})
    token = settings.token()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with folder_for_uploads() as folder:
        try:
            from pipelines.web.page import Page
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            print("the page needs gradio, which is not installed here: pip install 'recog[app]'", file=sys.stderr)
            return 1
        # Not at the top: these load torch, which `--help` and the refusal need not wait for.
        from pipelines.shared_recognizer import share
        from pipelines.web import api, gate, handwriting, log, served, speech, train
        from pipelines.web.api_work import Desk
        from pipelines.web.limits import Limits
        from pipelines.web.once import Once
        from pipelines.web.turns import Turns

        listener = Once(lambda: share(speech.load(settings.speech)))
        reader = Once(lambda: share(handwriting.load(settings.handwriting)))
        limits = Limits(settings.megabytes, settings.minutes, settings.megapixels, settings.keep_minutes)
        bundles = served.collect(settings.speech, listener, settings.handwriting, reader)
        desk = Desk(
            bundles,
            folder,
            limits,
            Turns(settings.most_waiting, settings.together),
            upload_seconds=settings.upload_seconds,
        )
        door = api.api(desk, token, log.write if settings.log == "json" else None)
        # The page may turn to bundles that were trained on it; the API's names keep their meaning.
        shown = Once(lambda: listener()), Once(lambda: reader())
        runs = train.beginning(settings.runs)
        allowed = train.Training(runs, settings.host in LOOPBACK, bundles.add)
        page = Page(*shown, limits, allowed)
        try:
            password = (lambda given: gate.same(token, given)) if token else None
            address = page.launch(settings.host, settings.port, api.routes(door), password)
        except OSError as error:
            print(f"the page cannot listen on {settings.host}, port {settings.port or 'any'}: {error}", file=sys.stderr)
            return 1
        if settings.log == "json":
            log.adopt()
            log.write({"event": "ready", "address": address})
        else:
            print(f"recog is ready at {address} (Ctrl-C stops it)", file=sys.stderr)
        # The page is there first; who opens it finds the recognisers warm.
        listener.start()
        reader.start()
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return 0
        finally:
            finished = door.drain(settings.grace_seconds)
            desk.turns.close()
            if runs is not None:
                runs.close(max(settings.grace_seconds, 1.0))
            page.close()
            if settings.log == "json":
                log.write({"event": "stopped", "finished": finished})


@contextmanager
def folder_for_uploads() -> Iterator[Path]:
    """A folder for uploads, gradio's and those of the HTTP API, readable by this user alone, gone when the program ends."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="recog-", ignore_cleanup_errors=True) as folder:
        # Gradio reads this while it is imported.
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("GRADIO_TEMP_DIR")
            if before is not None:
                os.environ["GRADIO_TEMP_DIR"] = before
