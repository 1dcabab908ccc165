"""What the HTTP API answers where it cannot serve, or not all: one sentence, as OpenAI's error object or beside the text."""

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from pipelines.transcript import Transcript

# Status of the answer -> OpenAI's word for the kind of error; anything else is the server's own trouble.
_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
# After so many seconds a client may ask again, where the server is only busy or stopping.
RETRY_SECONDS = 5
WARNING_HEADER = "X-Recog-Warning"


class RefusalError(Exception):
    """A request that is not served: status, one sentence, and the field it is about, where it is about one."""

    def __init__(self, status: int, sentence: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.field, self.code = status, sentence, field, code

    def body(self) -> dict[str, Any]:
        """The `error` object that OpenAI's clients read: message, type, param, code."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        message = self.sentence.rstrip(".") + "."
        return {"error": {"message": message, "type": kind, "param": self.field, "code": self.code}}

    def response(self) -> Response:
        """The answer, with the header that its status asks for."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_SECONDS)
        return JSONResponse(self.body(), self.status, headers)


@dataclass(frozen=True)
class Warned:
    """What the reader of an answer must know of the file: for its header, and for its JSON. Both empty where all is well."""

    headers: dict[str, str]
    fields: dict[str, str]


def warned(transcript: Transcript) -> Warned:
    """The warning of a transcript: OpenAI's clients pass unknown fields on, and formats of text have no place for it."""
    sentence = transcript.warning("the uploaded file")
    if not sentence:
        return Warned({}, {})
    plain = sentence.encode("ascii", "replace").decode("ascii")  # as headers must be
    return Warned({WARNING_HEADER: f"{plain}."}, {"warning": f"{sentence}."})
