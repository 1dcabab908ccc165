"""Serves the page until it is stopped: what `python app.py` and `recog app` do."""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the page's command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 opens the page to the network (127.0.0.1)"
    )
    parser.add_argument("--port", type=int, help="port to listen on (the first free one from 7860 up)")
    parser.add_argument(
        "--speech", default="speech-en", metavar="BUNDLE", help="name or folder of the speech bundle (speech-en)"
    )
    parser.add_argument(
        "--handwriting",
        default="handwriting-latin",
        metavar="BUNDLE",
        help="name or folder of the handwriting bundle (handwriting-latin)",
    )


def serve(arguments: argparse.Namespace) -> int:
    """Serves until Ctrl-C or a plain kill, and cleans up after both; 1 where the page cannot be shown."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with folder_for_uploads():
        try:
            from pipelines.web.page import Page
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            print("the page needs gradio, which is not installed here: pip install 'recog[app]'", file=sys.stderr)
            return 1
        # Not at the top: these load torch, which `--help` and the refusal need not wait for.
        from pipelines.web import handwriting, speech
        from pipelines.web.once import Once

        listener = Once(lambda: speech.load(arguments.speech))
        reader = Once(lambda: handwriting.load(arguments.handwriting))
        page = Page(listener, reader)
        try:
            address = page.launch(arguments.host, arguments.port)
        except OSError as error:
            print(
                f"the page cannot listen on {arguments.host}, port {arguments.port or 'any'}: {error}", file=sys.stderr
            )
            return 1
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
            page.close()


@contextmanager
def folder_for_uploads() -> Iterator[None]:
    """A folder that gradio keeps uploads in, gone when the program ends."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="recog-", ignore_cleanup_errors=True) as folder:
        # Gradio reads this while it is imported.
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("GRADIO_TEMP_DIR")
            if before is not None:
                os.environ["GRADIO_TEMP_DIR"] = before
