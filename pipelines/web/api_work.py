"""What the routes that transcribe share: the upload of a request, its turn on the model, and the way back."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from pipelines.shared_recognizer import CORES
from pipelines.web.limits import Limits
from pipelines.web.metrics import Metrics
from pipelines.web.refusals import RefusalError
from pipelines.web.served import ServedBundles
from pipelines.web.turns import Turns
from pipelines.web.uploads import Upload, receive
from recog.errors import CheckpointError, ConfigError, InputError, LanguageModelError

T = TypeVar("T")

# A whole request may be so much longer than its file: fields, and what stands between the parts.
_AROUND_BYTES = 100_000


@dataclass(frozen=True)
class Desk:
    """What every request needs: the bundles, the limits, the turns, and the folder that uploads lie in."""

    bundles: ServedBundles
    folder: Path
    limits: Limits = field(default_factory=Limits)
    turns: Turns = field(default_factory=Turns)
    metrics: Metrics = field(default_factory=Metrics)
    upload_seconds: float = 600.0

    async def receive(self, request: Request) -> Upload:
        """The upload of a request within the limits; `ask` or `Upload.close` deletes it."""
        return await receive(
            request, self.folder, self.limits.megabytes * 1_000_000 + _AROUND_BYTES, self.upload_seconds
        )

    def ask(self, request: Request, upload: Upload, work: Callable[[], T]) -> "Future[T]":
        """Queues the work on an upload, which is deleted when the work is done, has failed, or is given up."""
        client = request.client.host if request.client else ""
        future = self.turns.ask(client, lambda: told(work, upload.path))
        future.add_done_callback(lambda _: upload.close())
        return future


class GaveUpError(Exception):
    """The client has left; nobody waits for the result."""


def told(work: Callable[[], T], path: Path | None) -> T:
    """Does the work; what the recogniser cannot read is refused in its own sentence, without our path."""
    try:
        with CORES.taken():
            return work()
    except InputError as error:
        raise RefusalError(422, str(error).replace(str(path), "the uploaded file"), "file") from error
    except (CheckpointError, ConfigError, LanguageModelError) as error:
        # Names folders of the server, which are nobody's business.
        raise RefusalError(
            503, "the model cannot be loaded on this server; its owner can see why with recog app"
        ) from error


async def wait(request: Request, future: "Future[T]", gone: threading.Event) -> T:
    """The result of a future; a client that leaves sets `gone`, takes back work that has not begun, and ends in GaveUpError."""
    result = asyncio.ensure_future(asyncio.wrap_future(future))
    leaving = asyncio.ensure_future(_leaves(request))
    try:
        await asyncio.wait((result, leaving), return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            if result.cancelled():
                raise RefusalError(503, "the server is stopping")
            return result.result()
        raise GaveUpError
    finally:
        leaving.cancel()
        if not result.done():
            gone.set()
            result.cancel()


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
