"""POST /v1/audio/transcriptions: what OpenAI's clients send, and what they expect back."""

import asyncio
import json
import math
import threading
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from pipelines.speech import Passage, SpeechPipeline
from pipelines.transcript import SpeechTranscript, SpokenWord
from pipelines.web.api_described import AUDIO
from pipelines.web.api_work import Desk, GaveUpError, wait
from pipelines.web.refusals import RefusalError, warned
from pipelines.web.uploads import Upload
from recog.dictation import Dictation
from recog.formats import srt, vtt
from recog.formats.cues import cues
from recog.formats.timed import Timed
from recog.restorer import Piece

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("segment", "word")
# Pieces of a recording recognised at a time: memory stays bounded, and a client that has left is noticed.
TOGETHER = 8
# A bundle does not say which language it reads; this is ISO 639's word for that.
UNKNOWN_LANGUAGE = "und"


def router(desk: Desk) -> APIRouter:
    """The route, for a desk."""
    routes = APIRouter()

    @routes.post("/v1/audio/transcriptions", openapi_extra=AUDIO, summary="A recording to text", tags=["speech"])
    async def transcribe(request: Request) -> Response:
        upload = await desk.receive(request)
        try:
            form, path = choices(upload), upload.file()
            bundle = desk.bundles.get(upload.one("model"), "speech")
            request.scope["recog"]["model"] = bundle.name
            gone, heard = threading.Event(), asyncio.Queue[str]()
            loop = asyncio.get_running_loop()

            def work() -> SpeechTranscript:
                pipeline: SpeechPipeline = bundle.pipeline()
                passages, damage = list[Passage](), list[str]()
                dictation = Dictation(pipeline.restorer)

                def say(pieces: Sequence[Piece]) -> None:
                    if form.stream and pieces:
                        text = " ".join(piece.text for piece in pieces)
                        loop.call_soon_threadsafe(heard.put_nowait, text)

                together = 1 if form.stream else TOGETHER
                for passage in pipeline.passages(path, together, None, desk.limits.seconds, damage):
                    if gone.is_set():
                        raise GaveUpError
                    passages.append(passage)
                    if form.stream:
                        say(dictation.hear([word.text for word in passage.words]))
                say(dictation.end())
                transcript = pipeline.join(passages, damage)
                desk.metrics.heard(transcript.duration)
                return transcript

            future = desk.ask(request, upload, work)
        except BaseException:
            upload.close()
            raise
        result = asyncio.ensure_future(wait(request, future, gone))
        # Where the stream has ended before the work, nobody asks what became of it.
        result.add_done_callback(lambda done: done.cancelled() or done.exception())
        if form.stream:
            return await streamed(result, heard)
        transcript = await result
        request.scope["recog"]["media_seconds"] = transcript.duration
        if transcript.damage:
            request.scope["recog"]["damaged"] = True
        return formatted(transcript, form.format, form.granularities, form.language)

    return routes


@dataclass(frozen=True)
class Choices:
    """What the fields of a request ask for."""

    format: str = "json"
    granularities: tuple[str, ...] = ("segment",)
    language: str = UNKNOWN_LANGUAGE
    stream: bool = False


def choices(upload: Upload) -> Choices:
    """Reads the fields; refuses a value that no format or granularity has. Unknown fields are ignored, as by OpenAI."""
    wanted = upload.one("response_format", "json")
    if wanted not in FORMATS:
        raise RefusalError(400, f"response_format must be one of {', '.join(FORMATS)}", "response_format")
    granularities = tuple(upload.several("timestamp_granularities")) or ("segment",)
    if not set(granularities) <= set(GRANULARITIES):
        raise RefusalError(400, "timestamp_granularities must be word, segment or both", "timestamp_granularities")
    stream = upload.one("stream", "false").lower()
    if stream not in ("true", "false", "1", "0"):
        raise RefusalError(400, "stream must be true or false", "stream")
    language = upload.one("language", UNKNOWN_LANGUAGE)
    if len(language) > 35:  # the longest tag of BCP 47 that anybody needs
        raise RefusalError(400, "language must be a language code such as en", "language")
    return Choices(wanted, granularities, language, stream in ("true", "1"))


def formatted(
    transcript: SpeechTranscript, wanted: str, granularities: Sequence[str] = ("segment",), language: str = "und"
) -> Response:
    """A transcript as the answer in one of FORMATS; what its reader must know stands in a header, in JSON also inside."""
    told = warned(transcript)
    headers = told.headers
    if wanted == "text":
        return PlainTextResponse(transcript.text + "\n", headers=headers)
    if wanted == "srt":
        return PlainTextResponse(srt.dumps(cues(timed(transcript.words))), headers=headers)
    if wanted == "vtt":
        content = vtt.dumps(cues(timed(transcript.words)))
        return Response(content, media_type="text/vtt; charset=utf-8", headers=headers)
    if wanted == "json":
        return JSONResponse({"text": transcript.text, "usage": usage(transcript), **told.fields}, headers=headers)
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": language,
        "duration": transcript.duration,
        "text": transcript.text,
    }
    if "segment" in granularities:
        body["segments"] = segments(transcript.words)
    if "word" in granularities:
        body["words"] = [
            {"word": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}
            for word in transcript.words
        ]
    more = {"usage": usage(transcript), "calibrated": transcript.calibrated, **told.fields}
    return JSONResponse({**body, **more}, headers=headers)


def segments(words: Sequence[SpokenWord]) -> list[dict[str, Any]]:
    """The cues of the words, with the fields that OpenAI's clients require.

    `avg_logprob` is the mean logarithm of the words' confidences, `compression_ratio` is as whisper computes it (bytes
    of the text over bytes deflated). There are no tokens here and no temperature, and silence makes no segment.
    """
    found = []
    for number, cue in enumerate(cues(timed(words))):
        text = cue.text.replace("\n", " ")
        inside = [word for word in words if cue.start <= word.start and word.end <= cue.end]
        logs = [math.log(max(word.confidence, 1e-6)) for word in inside]
        written = text.encode("utf-8")
        found.append(
            {
                "id": number,
                "seek": round(100 * cue.start),
                "start": cue.start,
                "end": cue.end,
                "text": text,
                "tokens": [],
                "temperature": 0.0,
                "avg_logprob": round(sum(logs) / len(logs), 4),
                "compression_ratio": round(len(written) / len(zlib.compress(written)), 4),
                "no_speech_prob": 0.0,
            }
        )
    return found


def timed(words: Sequence[SpokenWord]) -> list[Timed]:
    """The words as subtitle formats take them."""
    return [Timed(word.text, word.start, word.end, word.confidence) for word in words]


def usage(transcript: SpeechTranscript) -> dict[str, Any]:
    """How much was read, in whole seconds begun."""
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


async def streamed(result: "asyncio.Future[SpeechTranscript]", heard: "asyncio.Queue[str]") -> StreamingResponse:
    """Server-sent events: the text piece by piece as it is read, then the whole, which is what the pieces make.

    The status waits for the first piece, so that a file that cannot be read is refused like any other.
    """
    first = asyncio.ensure_future(heard.get())
    await asyncio.wait((result, first), return_when=asyncio.FIRST_COMPLETED)
    if not first.done():
        first.cancel()
        result.result()  # raises what refuses the request; silence has no pieces
    early = [first.result()] if first.done() and not first.cancelled() else []
    return StreamingResponse(_events(result, heard, early), media_type="text/event-stream")


async def _events(
    result: "asyncio.Future[SpeechTranscript]", heard: "asyncio.Queue[str]", early: Sequence[str]
) -> AsyncIterator[str]:
    said = list(early)
    for piece in early:
        yield _delta(piece)
    try:
        while not (result.done() and heard.empty()):
            coming = asyncio.ensure_future(heard.get())
            await asyncio.wait((result, coming), return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                continue
            piece = coming.result()
            yield _delta(f" {piece}" if said else piece)
            said.append(piece)
        transcript = result.result()
    except GaveUpError:
        return
    except RefusalError as refusal:
        yield _event({"type": "error", **refusal.body()})
        return
    # Not the transcript's text: what was said once stays said, and that is written knowing what follows.
    done = {"type": "transcript.text.done", "text": " ".join(said), "usage": usage(transcript)}
    yield _event({**done, **warned(transcript).fields})


def _delta(text: str) -> str:
    return _event({"type": "transcript.text.delta", "delta": text})


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"
