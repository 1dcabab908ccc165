"""The bundles that the HTTP API serves, by name. A client's word is only ever compared with these names."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.handwriting import HandwritingPipeline
from pipelines.shared_recognizer import share
from pipelines.speech import SpeechPipeline
from pipelines.web import handwriting, speech
from pipelines.web.once import Once
from pipelines.web.refusals import RefusalError
from recog.checkpoint import SHELF

# Programs written for OpenAI ask for this model by name; the speech bundle of the server answers.
OPENAI_NAME = "whisper-1"
_ROUTES = {"speech": "/v1/audio/transcriptions", "handwriting": "/v1/images/transcriptions"}


@dataclass(frozen=True)
class ServedBundle:
    """A bundle under the name that clients use; its pipeline is made when it is first asked for."""

    name: str
    # "speech" or "handwriting".
    kind: str
    pipeline: Once[Any]
    # When it was made, in seconds since 1970; 0 where nobody knows.
    created: int = 0


class ServedBundles:
    """The bundles of the page first, one of each kind, then the others on the shelf."""

    def __init__(self, bundles: Sequence[ServedBundle]) -> None:
        self._bundles: dict[str, ServedBundle] = {}
        for bundle in bundles:
            self._bundles.setdefault(bundle.name, bundle)
        self._fixed = frozenset(self._bundles)

    def get(self, name: str, kind: str) -> ServedBundle:
        """The bundle of that name; without one, or with OpenAI's, the first of the kind. Refuses other names (404)."""
        if not name or (name == OPENAI_NAME and kind == "speech"):
            return next(bundle for bundle in self._bundles.values() if bundle.kind == kind)
        bundle = self._bundles.get(name)
        if bundle is None:
            known = ", ".join(self._bundles)
            raise RefusalError(
                404, f"there is no model of that name here; there are: {known}", "model", "model_not_found"
            )
        if bundle.kind != kind:
            raise RefusalError(400, f"model {name} reads {bundle.kind}; its address is {_ROUTES[bundle.kind]}", "model")
        return bundle

    def add(self, name: str, kind: str, pipeline: Once[Any]) -> None:
        """One more bundle, trained here; under the name of one that was trained here before, the newer is served.

        Names that were served from the start keep their meaning.
        """
        if name not in self._fixed:
            self._bundles = {**self._bundles, name: ServedBundle(name, kind, pipeline, int(time.time()))}

    def as_json(self) -> dict[str, Any]:
        """The list as OpenAI gives it, with the kind of each."""
        data = [
            {"id": one.name, "object": "model", "created": one.created, "owned_by": "recog", "kind": one.kind}
            for one in self._bundles.values()
        ]
        return {"object": "list", "data": data}


def collect(
    speech_bundle: str | Path,
    listener: Once[SpeechPipeline],
    handwriting_bundle: str | Path,
    reader: Once[HandwritingPipeline],
    shelf: Path = SHELF,
) -> ServedBundles:
    """The two pipelines of the page under the names of their bundles, and whatever else is on the shelf now."""
    first = [
        ServedBundle(Path(speech_bundle).name, "speech", listener, _created(shelf / speech_bundle)),
        ServedBundle(Path(handwriting_bundle).name, "handwriting", reader, _created(shelf / handwriting_bundle)),
    ]
    others = [_on_shelf(path.parent) for path in sorted(shelf.glob("*/bundle.json"))]
    return ServedBundles([*first, *(bundle for bundle in others if bundle)])


def _on_shelf(folder: Path) -> ServedBundle | None:
    try:
        kind = json.loads((folder / "bundle.json").read_text(encoding="utf-8")).get("kind")
    except (OSError, ValueError, AttributeError):
        return None  # damaged: it cannot be served, and takes nobody's place
    if kind == "speech":
        return ServedBundle(folder.name, kind, Once(lambda: share(speech.load(folder))), _created(folder))
    if kind == "handwriting":
        return ServedBundle(folder.name, kind, Once(lambda: share(handwriting.load(folder))), _created(folder))
    return None


def _created(folder: Path) -> int:
    described = folder / "bundle.json"
    return int(described.stat().st_mtime) if described.is_file() else 0
