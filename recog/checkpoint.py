"""Bundles: everything a recogniser needs to stand alone, in a folder of plain files.

    network.safetensors   weights, float16, or matrices in 8 bits (recog.compact)
    bundle.json           format version, network shape, frontend, alphabet, text rule, provenance
    card.md               for people: data, licences, figures
    words.lm, characters.lm, decoder.json      the language side, if any (recog.language)
    restorer.safetensors  case, points and figures for speech, if any (recog.restorer)

Nothing is pickled. A bundle is written beside its place and moved there whole.
"""

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recog import language as languages
from recog import restorer, text
from recog.alphabet import Alphabet
from recog.audio import SpeechFrontend
from recog.compact import packed, unpacked
from recog.config import build
from recog.errors import CheckpointError, ConfigError, RecogError
from recog.frontend import Frontend
from recog.image import HandwritingFrontend
from recog.language import Language
from recog.models.network import Network, NetworkConfig
from recog.restorer import Restorer

FORMAT = 1
# The bundles that come with the project.
SHELF = Path(__file__).resolve().parents[1] / "pipelines" / "bundles"
_FRONTENDS = {"speech": SpeechFrontend, "handwriting": HandwritingFrontend}


@dataclass(frozen=True)
class Bundle:
    """A trained recogniser without its decoding options."""

    name: str
    network: Network
    frontend: Frontend
    alphabet: Alphabet
    # Name of the text rule the training texts went through, and which scoring uses.
    text_rule: str
    # Where it comes from: data, steps, seed, hardware, figures. For people, never read by code.
    provenance: dict[str, Any] = field(default_factory=dict)
    # Language models and decoder weights, where it has any.
    language: Language | None = None
    # Speech: what makes written text of spoken words.
    restorer: Restorer | None = None

    @property
    def kind(self) -> str:
        """ "speech" or "handwriting"."""
        return "speech" if isinstance(self.frontend, SpeechFrontend) else "handwriting"


def save(bundle: Bundle, folder: str | Path, card: str = "", bits: int = 16) -> None:
    """Writes the bundle to `folder`, replacing the bundle that was there only when the new one is complete.

    With 8 `bits` matrices take half the place. Refuses a folder that holds something else, and weights that float16
    cannot hold.
    """
    if bits not in (8, 16):
        raise ConfigError(f"a bundle's weights take 8 or 16 bits, not {bits}")
    folder = Path(folder)
    if folder.exists() and not (folder / "bundle.json").is_file() and (folder.is_file() or any(folder.iterdir())):
        raise CheckpointError(f"{folder} holds something that is no bundle, which would be lost; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    described = {
        "format": FORMAT,
        "name": bundle.name,
        "kind": bundle.kind,
        "text_rule": bundle.text_rule,
        "network": asdict(bundle.network.config),
        "frontend": asdict(bundle.frontend),
        "alphabet": "".join(bundle.alphabet.symbols),
        "provenance": bundle.provenance,
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in bundle.network.state_dict().items()}
    half = {name: tensor.to(torch.float16) for name, tensor in weights.items() if tensor.is_floating_point()}
    if not all(torch.isfinite(tensor).all() for tensor in half.values()):
        raise CheckpointError(
            f"bundle {bundle.name}: some weights are not finite in float16; the training has diverged"
        )
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        whole = {name: tensor for name, tensor in weights.items() if name not in half}
        small = packed({name: weights[name] for name in half}) if bits == 8 else half
        save_file(whole | small, fresh / "network.safetensors")
        (fresh / "network.safetensors").chmod(0o644)  # safetensors leaves it to the owner alone
        (fresh / "bundle.json").write_text(json.dumps(described, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        if bundle.language:
            languages.save(fresh, bundle.language)
        if bundle.restorer:
            restorer.save(bundle.restorer, fresh / restorer.FILE)
        (fresh / "card.md").write_text(card or f"# {bundle.name}\n", encoding="utf-8")
        fresh.chmod(0o755)
        _replace(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(folder: Path, fresh: Path) -> None:
    """Moves `fresh` to `folder`; an older folder steps aside first, where `find` still finds it, and is deleted last."""
    if folder.exists():
        shutil.rmtree(_aside(folder), ignore_errors=True)
        folder.rename(_aside(folder))
    fresh.rename(folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def find(name_or_path: str | Path) -> Path:
    """The folder of a bundle: a path as it stands, or the name of one that comes with the project."""
    for place in (Path(name_or_path), SHELF / name_or_path):
        for folder in (place, _aside(place)):  # aside: a save was cut off between its last two steps
            if (folder / "bundle.json").is_file():
                return folder
    names = ", ".join(sorted(path.parent.name for path in SHELF.glob("*/bundle.json"))) or "none"
    raise CheckpointError(
        f"{name_or_path} is not a bundle: no bundle.json there; bundles that come with recog: {names}"
    )


def load(name_or_path: str | Path) -> Bundle:
    """Reads a bundle; the network comes in float32, ready to use. Refuses damaged and newer ones in one sentence."""
    folder = find(name_or_path)
    try:
        described = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        if described["format"] > FORMAT:
            raise CheckpointError(
                f"bundle {folder} has format {described['format']}; this recog reads up to {FORMAT}: update recog"
            )
        text.rule(described["text_rule"])
        frontend: Frontend = build(_FRONTENDS[described["kind"]], described["frontend"], "frontend")
        alphabet = Alphabet(tuple(described["alphabet"]))
        with torch.device("meta"):  # no weights are drawn only to be overwritten
            network = Network(build(NetworkConfig, described["network"], "network"), frontend.features, len(alphabet))
        weights = load_file(folder / "network.safetensors")
        network.load_state_dict(unpacked(weights), assign=True)
        network.eval()
        name, text_rule, provenance = described["name"], described["text_rule"], described["provenance"]
        written = restorer.load(folder / restorer.FILE) if (folder / restorer.FILE).is_file() else None
        return Bundle(name, network, frontend, alphabet, text_rule, provenance, languages.load(folder), written)
    except CheckpointError:
        raise
    except (
        OSError,
        LookupError,
        AttributeError,
        TypeError,
        ValueError,
        RuntimeError,
        RecogError,
        SafetensorError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"bundle {folder} is damaged ({reason}); fetch or train it again") from error
