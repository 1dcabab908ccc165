"""POST /v1/images/transcriptions: a picture of a line or a page, asked for like a recording."""

import threading

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from pipelines.handwriting import HandwritingPipeline
from pipelines.transcript import PageTranscript
from pipelines.web.api_described import IMAGES
from pipelines.web.api_work import Desk, wait
from pipelines.web.refusals import RefusalError, warned

FORMATS = ("json", "text", "verbose_json")


def router(desk: Desk) -> APIRouter:
    """The route, for a desk."""
    routes = APIRouter()

    @routes.post("/v1/images/transcriptions", openapi_extra=IMAGES, summary="A picture to text", tags=["handwriting"])
    async def transcribe(request: Request) -> Response:
        upload = await desk.receive(request)
        try:
            wanted, path = upload.one("response_format", "json"), upload.file()
            if wanted not in FORMATS:
                raise RefusalError(400, f"response_format must be one of {', '.join(FORMATS)}", "response_format")
            bundle = desk.bundles.get(upload.one("model"), "handwriting")
            request.scope["recog"]["model"] = bundle.name

            def work() -> PageTranscript:
                desk.limits.picture(path)
                pipeline: HandwritingPipeline = bundle.pipeline()
                transcript = pipeline(path)
                desk.metrics.page()
                return transcript

            future = desk.ask(request, upload, work)
        except BaseException:
            upload.close()
            raise
        transcript = await wait(request, future, threading.Event())
        request.scope["recog"]["lines"] = len(transcript.lines)
        return formatted(transcript, wanted)

    return routes


def formatted(transcript: PageTranscript, wanted: str) -> Response:
    """A transcript as the answer in one of FORMATS; boxes are left, top, right, bottom in pixels of the picture."""
    told = warned(transcript)
    if wanted == "text":
        return PlainTextResponse(transcript.text + "\n", headers=told.headers)
    body = {"text": transcript.text} if wanted == "json" else {"task": "transcribe", **transcript.as_json()}
    return JSONResponse({**body, **told.fields}, headers=told.headers)
