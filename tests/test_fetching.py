"""Fetching a corpus: what torchaudio is asked for, and what becomes of its refusals. Nothing is downloaded here."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_preparation import librispeech

from pipelines import fetching
from pipelines.cli import main
from pipelines.fetching import fetch
from recog.errors import ConfigError, InputError


class Torchaudio:
    """As much of torchaudio.datasets as is asked for: it unpacks a small corpus of the same layout."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, str]] = []
        self.error: Exception | None = None
        found = SimpleNamespace(LIBRISPEECH=self.libri, LJSPEECH=self.lj)
        imported = importlib.import_module
        monkeypatch.setattr(
            importlib, "import_module", lambda name: found if name == "torchaudio.datasets" else imported(name)
        )

    def libri(self, root: Path, url: str, download: bool) -> None:
        assert download
        self.asked.append(("librispeech", url))
        if self.error:
            raise self.error
        librispeech(root / "LibriSpeech", {url: 2})

    def lj(self, root: Path, download: bool) -> None:
        assert download
        self.asked.append(("ljspeech", ""))
        (root / "LJSpeech-1.1" / "wavs").mkdir(parents=True)


def test_what_is_asked_for_is_fetched_once_and_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = Torchaudio(monkeypatch)
    call = ["prepare", "librispeech", str(tmp_path / "raw"), str(tmp_path / "data")]
    parts = ["--fetch", "train-clean-100", "--fetch", "dev-clean"]
    assert main([*call, *parts]) == 0
    assert theirs.asked == [("librispeech", "train-clean-100"), ("librispeech", "dev-clean")]
    assert f"{tmp_path / 'data' / 'train-clean-100.jsonl'}: 4 rows" in capsys.readouterr().out
    assert main([*call, *parts]) == 0
    assert len(theirs.asked) == 2
    assert fetch("ljspeech", ["LJSpeech-1.1"], tmp_path / "lj") == tmp_path / "lj" / "LJSpeech-1.1"


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = Torchaudio(monkeypatch)
    with pytest.raises(
        ConfigError, match=r"--fetch dev-clear: .* belongs to librispeech; choose among dev-clean, dev-other"
    ):
        fetch("librispeech", ["dev-clean", "dev-clear"], tmp_path)
    with pytest.raises(ConfigError, match="belongs to timit; only librispeech and ljspeech can be fetched"):
        fetch("timit", ["all"], tmp_path)
    assert not theirs.asked
    theirs.error = OSError("Name or service\nnot known")
    with pytest.raises(InputError, match=r"^dev-clean cannot be fetched \(Name or service not known\)$"):
        fetch("librispeech", ["dev-clean"], tmp_path)
    (tmp_path / "LibriSpeech" / "dev-clean").mkdir(parents=True)
    with pytest.raises(InputError, match="was not unpacked to its end, or came from elsewhere; remove it"):
        fetch("librispeech", ["dev-clean"], tmp_path)


@pytest.mark.parametrize("error", [ModuleNotFoundError("No module named 'torchaudio'"), OSError("libcudart.so.13")])
def test_without_torchaudio_a_sentence_says_what_to_do(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(name: str) -> None:
        raise error

    monkeypatch.setattr(fetching.importlib, "import_module", broken)
    with pytest.raises(
        ConfigError, match=r"--fetch needs torchaudio, which cannot be imported here .*fetch and unpack"
    ):
        fetch("librispeech", ["dev-clean"], tmp_path)
