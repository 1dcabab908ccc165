"""A multipart request -> its fields and its one file, streamed into a private folder, within limits.

The file gets a name of ours: nothing a client writes into a file name ever reaches the file system.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from pipelines.web.refusals import RefusalError

if TYPE_CHECKING:  # it is there for type checkers only
    from python_multipart.multipart import MultipartCallbacks

# Fields are words like "json"; only a prompt is longer. Kept together with the headers of the parts in memory.
_FIELD_BYTES = 64_000
_PARTS = 64
# A refused body is read on for a moment, and thrown away: most clients hear the answer only after they have sent it.
_PATIENCE_SECONDS = 2.0


@dataclass
class Upload:
    """The file and the fields of a request; `close` deletes the folder it lies in, and may be called twice."""

    folder: Path
    fields: dict[str, list[str]] = field(default_factory=dict)
    path: Path | None = None
    size: int = 0

    def one(self, name: str, default: str = "") -> str:
        """The last value sent for a field; empty values count as not sent."""
        return next((value for value in reversed(self.fields.get(name, [])) if value), default)

    def several(self, name: str) -> list[str]:
        """All values of a field, called `name[]` or `name`."""
        return [value for value in (*self.fields.get(f"{name}[]", []), *self.fields.get(name, [])) if value]

    def file(self) -> Path:
        """The file; refuses a request that holds none, or an empty one."""
        if self.path is None:
            raise RefusalError(400, "the request holds no file; send one in the field 'file'", "file")
        if not self.size:
            raise RefusalError(422, "the uploaded file is empty (0 bytes)", "file")
        return self.path

    def close(self) -> None:
        """Deletes the file."""
        shutil.rmtree(self.folder, ignore_errors=True)


async def receive(request: Request, parent: Path, most_bytes: int, most_seconds: float) -> Upload:
    """Reads the body of a request into a new folder below `parent`, readable by this user alone.

    Refuses, and leaves nothing behind: another content type (415), a body that is longer than `most_bytes` by its
    header or while it streams (413), takes longer than `most_seconds` (408), is cut off or malformed (400), or does
    not fit on the disk (503).
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise RefusalError(415, "the request must be multipart/form-data, with the file in the field 'file'")
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 256:
        raise RefusalError(400, "the multipart body has no usable boundary in its content type")
    stream = request.stream()
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most_bytes:
        await _discard(stream, most_bytes)
        raise _too_large(most_bytes)
    upload = Upload(Path(tempfile.mkdtemp(prefix="upload-", dir=parent)))
    try:
        async with asyncio.timeout(most_seconds):
            await _read(stream, boundary, upload, most_bytes)
    except BaseException as error:
        upload.close()
        if isinstance(error, TimeoutError):
            raise RefusalError(408, f"the upload took longer than {most_seconds:g} s") from error
        if isinstance(error, ClientDisconnect):
            raise RefusalError(400, "the upload was broken off") from error
        if isinstance(error, FormParserError):
            raise RefusalError(400, "the multipart body is malformed") from error
        if isinstance(error, OSError):
            raise RefusalError(503, "the server has no room for the upload; try again later") from error
        if isinstance(error, RefusalError) and error.status == 413:
            await _discard(stream, most_bytes)
        raise
    return upload


async def _read(stream: AsyncIterator[bytes], boundary: bytes, upload: Upload, most_bytes: int) -> None:
    parts = _Parts(upload)
    parser = MultipartParser(boundary, parts.callbacks())
    received = 0
    try:
        async for chunk in stream:
            received += len(chunk)
            if received > most_bytes:
                raise _too_large(most_bytes)
            parser.write(chunk)
        parser.finalize()
    finally:
        parts.close()
    if not parts.ended:
        raise RefusalError(400, "the upload is cut off: the multipart body does not end with its boundary")


async def _discard(stream: AsyncIterator[bytes], most_bytes: int) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for chunk in stream:
                most_bytes -= len(chunk)
                if most_bytes < 0:
                    return
    except (TimeoutError, ClientDisconnect):
        return


def _too_large(most_bytes: int) -> RefusalError:
    return RefusalError(413, f"the upload is larger than {most_bytes / 1e6:g} MB, the limit", "file")


class _Parts:
    """The callbacks of the parser: headers and fields into memory, the file onto the disk."""

    def __init__(self, upload: Upload) -> None:
        self.upload, self.ended = upload, False
        self._count = self._kept = 0
        self._name = ""
        self._header = self._value = b""
        self._disposition = b""
        self._text = bytearray()
        self._file: BinaryIO | None = None

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls, by its names."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _keep(self, count: int) -> None:
        self._kept += count
        if self._kept > _FIELD_BYTES:
            raise RefusalError(413, f"the fields beside the file are larger than {_FIELD_BYTES // 1000} kB together")

    def _begin(self) -> None:
        self._count += 1
        if self._count > _PARTS:
            raise RefusalError(400, f"the request has more than {_PARTS} parts")
        self._disposition = b""
        self._text = bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._keep(end - start)
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._keep(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._name:
            raise RefusalError(400, "a part of the multipart body has no name")
        if b"filename" not in options:
            return
        if self._name != "file" or self.upload.path is not None:
            raise RefusalError(400, "the request holds more than one file, or one outside the field 'file'", "file")
        self.upload.path = self.upload.folder / "upload"
        self._file = self.upload.path.open("xb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._keep(end - start)
            self._text += data[start:end]
        else:
            self._file.write(data[start:end])
            self.upload.size += end - start

    def _end(self) -> None:
        if self._file is not None:
            self.close()
        else:
            self.upload.fields.setdefault(self._name, []).append(self._text.decode("utf-8", "replace").strip())

    def _finish(self) -> None:
        self.ended = True
