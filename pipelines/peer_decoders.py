"""Other people's CTC decoders behind one form, so that they can be measured against ours on the same posteriors.

Every decoder is asked for its best text and nothing else.

None of them is needed by recog; each is measured where it is installed:

    pip install flashlight-text fast-ctc-decode
    pip install "numpy<2" pyctcdecode kenlm         # in an environment of its own, see scripts/pyctcdecode_worker.py
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recog.ctc.decoder import Decoder
from recog.ctc.options import DecoderOptions
from recog.lm import arpa
from recog.lm.ngram import SPECIAL, NgramModel

Decode = Callable[[NDArray[np.float32]], str]
_WORKER = Path(__file__).resolve().parents[1] / "scripts" / "pyctcdecode_worker.py"


@dataclass(frozen=True)
class Task:
    """What all decoders are given: symbols without the blank, models, and the weights tuned for them."""

    symbols: tuple[str, ...]
    word_model: NgramModel | None
    character_model: NgramModel | None
    options: DecoderOptions


@dataclass(frozen=True)
class Setting:
    """A decoder at one point of its range; `kind` is the benchmark's lm_kind."""

    decoder: str
    kind: str
    beam: int
    # How far the decoder looks besides: named as the decoder names it.
    reach: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Run:
    """The texts of all samples and the CPU seconds that decoding them took, on one core, models loaded."""

    texts: tuple[str, ...]
    seconds: float


def kinds(task: Task) -> list[str]:
    """What can be measured with these models."""
    found = ["none"]
    if task.word_model is not None:
        found += ["word", "word+lexicon"]
    return [*found, "char"] if task.character_model is not None else found


def settings(task: Task) -> list[Setting]:
    """Every installed decoder over its range of beams and reaches, for every kind of model it can use."""
    found = []
    for kind in kinds(task):
        found += [
            Setting("recog", kind, beam, (("width", width), ("cut", cut)))
            for beam, width, cut in (
                (5, 5, -5), (8, 5, -5), (10, 6, -5), (15, 6, -6), (20, 7, -6), (25, 8, -7), (30, 8, -6), (50, 9, -7), (70, 9, -7),
                (100, 10, -7), (150, 11, -8), (200, 12, -8), (300, 12, -8), (500, 14, -9), (1000, 16, -9), (2000, 20, -12),
            )
        ]  # fmt: skip
        if kind != "word" and importlib.util.find_spec("flashlight") is not None:
            found += [
                Setting("flashlight", kind, beam, (("tokens", tokens), ("threshold", threshold)))
                for beam, tokens, threshold in (
                    (10, 5, 10), (25, 5, 15), (50, 10, 15), (50, 30, 25), (100, 10, 15), (100, 30, 25), (250, 15, 25), (500, 15, 25), (1000, 30, 50),
                )
            ]  # fmt: skip
        if kind == "none" and importlib.util.find_spec("fast_ctc_decode") is not None:
            most = 0.99 / (len(task.symbols) + 1)  # it takes no more: nothing might be left
            found += [
                Setting("fast-ctc-decode", kind, beam, (("cut", min(cut, most)),))
                for beam, cut in ((5, 0.01), (10, 0.005), (25, 0.001), (50, 0.001), (100, 0.0001))
            ]
        if kind in ("none", "word"):
            found += [
                Setting("pyctcdecode", kind, beam, (("beam_prune_logp", prune), ("token_min_logp", least)))
                for beam, prune, least in ((10, -6, -5), (25, -8, -5), (50, -10, -5), (100, -10, -5), (250, -14, -7))
            ]
    return found


def run(task: Task, setting: Setting, matrices: Sequence[NDArray[np.float32]], pyctcdecode: Path | None) -> Run | None:
    """Decodes everything at one setting; None where the decoder is not there."""
    if setting.decoder == "pyctcdecode":
        return _run_pyctcdecode(task, setting, matrices, pyctcdecode) if pyctcdecode is not None else None
    made = {"recog": _recog, "flashlight": _flashlight, "fast-ctc-decode": _fast_ctc_decode}[setting.decoder]
    decode = made(task, setting)
    decode(matrices[0])  # compiled code is loaded, pages are touched
    started = time.thread_time()
    texts = tuple(decode(matrix) for matrix in matrices)
    return Run(texts, time.thread_time() - started)


def _recog(task: Task, setting: Setting) -> Decode:
    values: dict[str, Any] = {
        **asdict(task.options),
        "hotwords": (),
        "n_best": 1,
        "beam": setting.beam,
        **dict(setting.reach),
    }
    if setting.kind == "word+lexicon":  # as good as closed, like the others
        values |= {"unknown": -50.0, "letter": -50.0}
    words = task.word_model if setting.kind.startswith("word") else None
    characters = task.character_model if setting.kind == "char" else None
    decoder = Decoder(task.symbols, DecoderOptions(**values), words, characters)
    return decoder.text


def _fast_ctc_decode(task: Task, setting: Setting) -> Decode:
    import fast_ctc_decode

    alphabet, cut = ["", *task.symbols], dict(setting.reach)["cut"]
    return lambda matrix: fast_ctc_decode.beam_search(np.exp(matrix), alphabet, setting.beam, cut)[0]


def _flashlight(task: Task, setting: Setting) -> Decode:
    """flashlight-text (Kahn et al. 2022). Its KenLM counts in powers of ten, so weights are multiplied by ln 10."""
    from flashlight.lib.text import decoder as peer
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    reach, space = dict(setting.reach), task.symbols.index(" ") + 1
    tokens = min(int(reach["tokens"]), len(task.symbols) + 1)
    common = (setting.beam, tokens, reach["threshold"])
    if setting.kind == "word+lexicon":
        model = _required(task.word_model)
        known = [word for word in model.words[len(SPECIAL) :] if all(character in task.symbols for character in word)]
        scorer = KenLM(str(_arpa_file(model)), Dictionary([*known, "<unk>"]))
        weight, start = task.options.alpha * np.log(10), scorer.start(False)
        trie = peer.Trie(len(task.symbols) + 1, space)
        for number, word in enumerate(known):
            spelling = [task.symbols.index(character) + 1 for character in word]
            trie.insert([*spelling, space], number, scorer.score(start, number)[1])
        trie.smear(peer.SmearingMode.MAX)
        options = peer.LexiconDecoderOptions(
            *common, weight, task.options.beta, -np.inf, 0.0, False, peer.CriterionType.CTC
        )
        decoder = peer.LexiconDecoder(options, trie, scorer, space, 0, len(known), [], False)
        # Its words end with a space; without one after the last it would not say that word unless it looks very far.
        end = np.full((1, len(task.symbols) + 1), -30.0, np.float32)
        end[0, space] = 0.0

        def decode_words(matrix: NDArray[np.float32]) -> str:
            best = _best(decoder, np.concatenate([matrix, end]))
            return " ".join(known[word] for word in best.words if word >= 0)

        return decode_words
    scorer, weight = peer.ZeroLM(), 0.0
    if setting.kind == "char":
        model = _required(task.character_model)
        names = ["<blank>", *("<space>" if symbol == " " else symbol for symbol in task.symbols)]
        scorer, weight = KenLM(str(_arpa_file(model)), Dictionary(names)), task.options.gamma * np.log(10)
    options = peer.LexiconFreeDecoderOptions(*common, weight, 0.0, False, peer.CriterionType.CTC)
    free = peer.LexiconFreeDecoder(options, scorer, space, 0, [])

    def decode(matrix: NDArray[np.float32]) -> str:
        path = np.array(_best(free, matrix).tokens)
        kept = path[np.append(True, path[1:] != path[:-1]) & (path != 0)]
        return "".join(task.symbols[label - 1] for label in kept).strip()

    return decode


def _best(decoder: Any, matrix: NDArray[np.float32]) -> Any:
    """flashlight's best hypothesis of a (T, S) matrix, which it takes by address."""
    matrix = np.ascontiguousarray(matrix, np.float32)
    return decoder.decode(matrix.ctypes.data, *matrix.shape)[0]


def _required(model: NgramModel | None) -> NgramModel:
    assert model is not None  # `kinds` asked
    return model


_files: dict[int, Path] = {}


def _arpa_file(model: NgramModel) -> Path:
    """The model as an ARPA file, written once."""
    if id(model) not in _files:
        _files[id(model)] = Path(tempfile.mkdtemp(prefix="recog-benchmark-")) / "model.arpa"
        arpa.write(model, _files[id(model)])
    return _files[id(model)]


def _run_pyctcdecode(task: Task, setting: Setting, matrices: Sequence[NDArray[np.float32]], python: Path) -> Run:
    """pyctcdecode needs another NumPy: a process of its own, fed with files."""
    with tempfile.TemporaryDirectory(prefix="recog-benchmark-") as folder:
        np.savez(Path(folder) / "posteriors.npz", **{str(number): matrix for number, matrix in enumerate(matrices)})  # type: ignore[arg-type]  # NumPy types only its own keywords
        job: dict[str, Any] = {
            "symbols": task.symbols,
            "beam": setting.beam,
            **dict(setting.reach),
            "alpha": task.options.alpha,
            "beta": task.options.beta,
        }
        if setting.kind == "word":
            model = _required(task.word_model)
            job |= {"arpa": str(_arpa_file(model)), "words": model.words[len(SPECIAL) :]}
        (Path(folder) / "job.json").write_text(json.dumps(job), encoding="utf-8")
        subprocess.run([python, _WORKER, folder], check=True, stdout=sys.stderr)
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    return Run(tuple(result["texts"]), result["seconds"])
