"""The log of the server: JSON lines on stderr, for machines, without any user content."""

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO


def write(line: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """One object in one line, with the time (UTC) before all else."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = json.dumps({"time": now, **line}, ensure_ascii=False)
    print(text, file=stream or sys.stderr, flush=True)


class Lines(logging.Handler):
    """What libraries log, as the same lines. Of an exception its kind alone: its words may quote a user's file."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        line = {"event": "log", "level": record.levelname.lower(), "logger": record.name}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            write({**line, "failure": type(error).__name__, "where": where(error)})
        else:
            write({**line, "message": str(record.msg)})  # without its arguments


def adopt() -> None:
    """Sends warnings and errors of the web server and of all libraries through `Lines`."""
    logging.basicConfig(level=logging.WARNING, handlers=[Lines()], force=True)
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "uvicorn"]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def where(error: BaseException) -> str:
    """The module and line that raised an error; "" where it was never raised."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return f"{last.tb_frame.f_globals.get('__name__')}:{last.tb_lineno}" if last else ""
