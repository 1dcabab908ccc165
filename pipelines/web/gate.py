"""What stands before every route of the HTTP API: the token, the log, the counting, and the end of serving."""

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.web.log import where
from pipelines.web.metrics import Metrics
from pipelines.web.refusals import RefusalError

# Asked by whoever watches the server, who has no token.
_OPEN = ("/health", "/docs", "/openapi.json")
_WATCHING = (*_OPEN, "/metrics")
# A line of the log: plain values, never a text, a file name, an address or a path that a client made up.
Log = Callable[[dict[str, Any]], None]


def same(token: str, given: str) -> bool:
    """Whether a client knows the token, in a time that does not depend on how much of it is right."""
    one, two = (hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (token, given))
    return hmac.compare_digest(one, two)


class Gate:
    """Wraps the API. Every refusal and every failure behind it becomes an error in OpenAI's form."""

    def __init__(self, app: ASGIApp, routes: Iterable[str], metrics: Metrics, token: str = "", log: Log | None = None):
        self.app, self.metrics, self.token = app, metrics, token
        self.routes, self.log = frozenset(routes), log
        self.stopping = False
        self._running = 0
        self._idle = threading.Condition()

    @property
    def running(self) -> int:
        """Requests that are being answered, those of whoever watches left out."""
        return self._running

    def drain(self, seconds: float) -> bool:
        """Lets no new request in and waits for the running ones; False where some are still running after `seconds`."""
        self.stopping = True
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watching = scope["path"] in _WATCHING
        began, status, received = time.perf_counter(), 500, 0
        facts: dict[str, Any] = {}
        name = uuid.uuid4().hex
        started = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def sent(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                started, status = True, message["status"]
                headers = [(b"x-request-id", name.encode()), (b"cache-control", b"no-store")]
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        self._count(0 if watching else 1)
        try:
            self._check(scope)
            await self.app({**scope, "recog": facts}, counted, sent)
        except Exception as error:
            # Where it happened, for whoever mends it; what it says may hold a piece of somebody's recording.
            facts.update(failure=type(error).__name__, where=where(error)) if not isinstance(
                error, RefusalError
            ) else None
            if not started:
                refusal = (
                    error if isinstance(error, RefusalError) else RefusalError(500, "the server failed at this request")
                )
                await refusal.response()(scope, receive, sent)
        finally:
            self._count(0 if watching else -1)
            self._note(scope, name, status, time.perf_counter() - began, received, facts)

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        if self.stopping and path not in _WATCHING:
            raise RefusalError(503, "the server is stopping")
        if not self.token or path in _OPEN:
            return
        header = next((value for key, value in scope["headers"] if key == b"authorization"), b"").decode("latin-1")
        scheme, _, given = header.partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise RefusalError(401, "this server needs a token: send the header 'Authorization: Bearer TOKEN'")
        if not same(self.token, given.strip()):
            raise RefusalError(401, "the token is not the one of this server", code="invalid_api_key")

    def _count(self, change: int) -> None:
        with self._idle:
            self._running += change
            self._idle.notify_all()

    def _note(self, scope: Scope, name: str, status: int, seconds: float, received: int, facts: dict[str, Any]) -> None:
        route = scope["path"] if scope["path"] in self.routes else "other"
        self.metrics.request(route, status, seconds, received)
        if self.log is not None and (route not in _WATCHING or status >= 500):
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other"
            line = {"event": "request", "id": name, "method": method, "route": route, "status": status}
            self.log({**line, "seconds": round(seconds, 4), "bytes": received, **facts})
