"""The HTTP API: recordings and pictures to text for other programs, in the way OpenAI's clients know."""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from pipelines.web import api_audio, api_described, api_images, metrics
from pipelines.web.api_work import Desk, GaveUpError
from pipelines.web.gate import Gate, Log
from pipelines.web.refusals import RefusalError
from recog import __version__

DESCRIPTION = (
    "Recordings and pictures of handwriting to text, on this server. Nothing leaves it; uploads are deleted as soon as "
    "they are read."
)
# What a client that left would be told; the log says it (nginx's number).
_LEFT = 499


def api(desk: Desk, token: str = "", log: Log | None = None) -> Gate:
    """The ASGI application of all routes. With a token, every request but /health and the description needs it."""
    app = FastAPI(title="recog", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.include_router(api_audio.router(desk))
    app.include_router(api_images.router(desk))
    gate = Gate(app, (), desk.metrics, token, log)

    @app.get("/v1/models", summary="The models of this server", tags=["models"])
    async def models() -> Response:
        return JSONResponse(desk.bundles.as_json())

    @app.get("/health", summary="Whether the server takes requests", tags=["watching"])
    async def health() -> Response:
        return JSONResponse({"status": "stopping"}, 503) if gate.stopping else JSONResponse({"status": "ok"})

    @app.get("/metrics", summary="Counters for Prometheus", tags=["watching"])
    async def figures() -> Response:
        text = desk.metrics.text(gate.running, len(desk.turns))
        return Response(text, media_type=metrics.CONTENT_TYPE)

    @app.get("/docs", include_in_schema=False)
    async def described() -> Response:
        return HTMLResponse(api_described.page(app.openapi()))

    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(GaveUpError, _left)
    app.add_exception_handler(Exception, _failed)
    gate.routes = frozenset((*app.openapi()["paths"], "/docs", "/openapi.json"))
    return gate


def routes(gate: Gate) -> list[BaseRoute]:
    """The addresses that an application around this one hands to it."""
    paths = [path for path in sorted(gate.routes) if not path.startswith("/v1/")]
    return [Route(path, gate) for path in (*paths, "/v1/{rest:path}")]


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return error.response()


async def _unknown(_: Request, error: Exception) -> Response:
    """No such address, or one that takes another method."""
    assert isinstance(error, HTTPException)
    sentences: Mapping[int, str] = {404: "there is nothing at this address; /docs tells what there is"}
    sentence = sentences.get(error.status_code, "this address does not take requests of this method; see /docs")
    response = RefusalError(error.status_code, sentence).response()
    response.headers.update(error.headers or {})
    return response


async def _left(_: Request, __: Exception) -> Response:
    return PlainTextResponse("", _LEFT)


async def _failed(_: Request, __: Exception) -> Response:
    return RefusalError(500, "the server failed at this request; its log says where").response()
