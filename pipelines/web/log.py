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
        if record.exc_info and record.exc_info[0]:
            write({**line, "failure": record.exc_info[0].__name__})
        else:
            write({**line, "message": str(record.msg)})  # without its arguments


def adopt() -> None:
    """Sends warnings and errors of the web server and of all libraries through `Lines`."""
    logging.basicConfig(level=logging.WARNING, handlers=[Lines()], force=True)
    for name in [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "uvicorn"]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
