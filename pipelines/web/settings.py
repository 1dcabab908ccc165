"""How the page and the HTTP API are served: the command line over the environment over a TOML file over the defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from recog import config
from recog.errors import ConfigError

# RECOG_SERVE_PORT=8000 is `port = 8000` in the file.
PREFIX = "RECOG_SERVE_"
# The secret itself has no setting: it comes from a file, or from this variable.
TOKEN = "RECOG_TOKEN"
_SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class ServeSettings:
    """The keys of the TOML file."""

    # Address to listen on; 0.0.0.0 opens the server to the network. Without a port: the first free one from 7860 up.
    host: str = "127.0.0.1"
    port: int | None = None
    # Name or folder of a bundle.
    speech: str = "speech-en"
    handwriting: str = "handwriting-latin"
    # A file that holds nothing but the token that clients must send.
    token_file: str = ""
    # "plain" for people; "json": one object a line for every request, without any user content.
    log: str = "plain"
    # The most of one upload, and how long it may take.
    megabytes: int = 200
    minutes: float = 30.0
    megapixels: float = 60.0
    upload_seconds: float = 600.0
    # Uploads of the page are deleted when they are older; those of the API as soon as they are read.
    keep_minutes: int = 60
    # Folder that the Train tab keeps its runs in; "" switches training from the page off.
    runs: str = "runs"
    # Requests that may wait for the model; further ones are told to come again.
    most_waiting: int = 64
    # Requests that are read side by side; what they ask the network goes through it in common batches. Enough of them
    # that some are decoded while others are in the network: with four, cores were idle between the two.
    together: int = 8
    # Running requests are given so long when the server is stopped.
    grace_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.log not in ("plain", "json"):
            raise ConfigError(f"serve.log is {self.log!r}; choose 'plain' or 'json'")
        if self.port is not None and not 0 <= self.port <= 65535:
            raise ConfigError(f"serve.port is {self.port}; expected 0 to 65535")
        for name in ("megabytes", "minutes", "megapixels", "upload_seconds", "most_waiting", "together"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"serve.{name} is {getattr(self, name)}; expected more than 0")
        if self.keep_minutes < 3 or self.grace_seconds < 0:
            raise ConfigError("serve: keep_minutes must be at least 3 and grace_seconds at least 0")

    def token(self, environment: Mapping[str, str] = os.environ) -> str:
        """The token from its file or RECOG_TOKEN; empty where none is wanted. Refuses one that is easily guessed."""
        if self.token_file:
            try:
                token, where = Path(self.token_file).read_text(encoding="utf-8").strip(), self.token_file
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"the token file {self.token_file} cannot be read: {error}") from error
        elif TOKEN in environment:
            token, where = environment[TOKEN].strip(), TOKEN
        else:
            return ""
        if len(token) < _SHORTEST_TOKEN or not token.isascii() or len(token.split()) != 1:
            raise ConfigError(
                f"the token in {where} must be one word of at least {_SHORTEST_TOKEN} plain characters; "
                "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        return token


def read(
    path: str | Path | None,
    environment: Mapping[str, str],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> ServeSettings:
    """The settings from a TOML file (or none), RECOG_SERVE_* variables, and what the command line gave (None: nothing);
    `defaults` stand where none of them says anything.
    """
    overrides = [
        f"{name.removeprefix(PREFIX).lower()}={value}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX)
    ]
    known = {field.name for field in fields(ServeSettings)}
    told = {name: value for name, value in given.items() if name in known and value is not None}
    return config.build(ServeSettings, {**defaults, **config.load(path, overrides), **told}, "serve")
