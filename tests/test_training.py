import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from conftest import SPOKEN_TEXTS, TINY_HANDWRITING, TINY_NETWORK, TINY_SPEECH, WRITTEN_TEXTS, write_rows

from pipelines import training
from pipelines.training import HandwritingTraining, SpeechTraining, train
from recog import checkpoint, evaluation, frontend, manifest, trainer
from recog.data import DataConfig, Samples
from recog.errors import AlphabetError, CheckpointError, ConfigError, ManifestError, TrainingError
from recog.models.network import Network
from recog.recognizer import DecodingOptions, Recognizer
from recog.training.gradient import phone_loss
from recog.training.settings import FitConfig

FIT = FitConfig(epochs=2, peak_rate=1e-2, warmup_steps=2, average=0.5, precision="fp32", log_every=1, save_minutes=1e9)
SPEECH = SpeechTraining(
    name="tiny", frontend=TINY_SPEECH, network=TINY_NETWORK, data=DataConfig(batch_frames=300), fit=FIT
)
HANDWRITING = HandwritingTraining(
    frontend=TINY_HANDWRITING, network=TINY_NETWORK, data=DataConfig(batch_frames=600), fit=FIT
)


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "speech", TINY_SPEECH, SPOKEN_TEXTS)


@pytest.mark.parametrize("kind", ["speech", "handwriting"])
def test_a_manifest_becomes_a_bundle_that_stands_alone(tmp_path: Path, kind: str) -> None:
    settings = SPEECH if kind == "speech" else HANDWRITING
    texts = SPOKEN_TEXTS if kind == "speech" else WRITTEN_TEXTS
    path = write_rows(tmp_path / "samples", settings.frontend, texts)
    fitted = train(settings, path, path, tmp_path / "run")
    bundle = checkpoint.load(tmp_path / "run" / "best")
    assert (bundle.kind, bundle.frontend, bundle.text_rule) == (kind, settings.frontend, settings.text_rule)
    assert bundle.alphabet.symbols == tuple(sorted(set("".join(texts))))
    found = evaluation.evaluate(Recognizer(bundle, DecodingOptions(beam=0)), manifest.read(path))
    assert found.scores() == fitted.best
    assert not found.failures
    assert json.loads((tmp_path / "run" / "settings.json").read_text()) == json.loads(json.dumps(asdict(settings)))
    card = (tmp_path / "run" / "best" / "card.md").read_text()
    assert f"# {settings.name}" in card
    assert (tmp_path / "run" / "card.md").read_text() == card
    assert bundle.provenance["rows"] == bundle.provenance["dev_rows"] == 8
    assert bundle.provenance["seed"] == 1


def test_the_same_seed_gives_the_same_bundle(tmp_path: Path, spoken: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train(replace(SPEECH, fit=replace(FIT, epochs=1, seed=seed)), spoken, spoken, tmp_path / name)
    one, two, three = (
        (tmp_path / name / "best" / "network.safetensors").read_bytes() for name in ("one", "two", "three")
    )
    assert one == two != three


def test_only_the_tuning_part_of_dev_chooses(tmp_path: Path, spoken: Path) -> None:
    rows = [json.loads(line) for line in spoken.read_text().splitlines()]
    dev = spoken.parent / "dev.jsonl"
    manifest.write(dev, [{**row, "part": "tune" if number < 3 else "report"} for number, row in enumerate(rows)])
    fitted = train(replace(SPEECH, fit=replace(FIT, epochs=1)), spoken, dev, tmp_path / "run")
    assert fitted.best.rows == fitted.bundle.provenance["dev_rows"] == 3


def test_rows_left_out_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_rows(tmp_path / "speech", TINY_SPEECH, [*SPOKEN_TEXTS, "...", "ad"])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace('"ad"', '"adz"')]) + "\n")
    settings = replace(SPEECH, data=DataConfig(batch_frames=300, rare=2), fit=replace(FIT, epochs=1))
    fitted = train(settings, path, path, tmp_path / "run")
    told = capsys.readouterr().err
    assert "8 of 10 rows, 6 symbols" in told
    assert "estimate: about" in told and "estimate: an epoch takes about" in told
    assert "left out: 1 rows with empty text" in told
    assert "left out: 1 rows with symbols outside the alphabet" in told
    assert fitted.best.rows == 9  # the rare letter is still asked for in the dev set


def test_a_run_is_not_overwritten_but_resumed(tmp_path: Path, spoken: Path) -> None:
    out = tmp_path / "run"
    first = train(replace(SPEECH, fit=replace(FIT, epochs=1)), spoken, spoken, out)
    with pytest.raises(ConfigError, match="already holds a training run; go on with --resume or name another folder"):
        train(SPEECH, spoken, spoken, out)
    second = train(SPEECH, spoken, spoken, out, resume=True)
    assert (first.epochs, second.epochs) == (1, 2)
    assert second.updates == 2 * first.updates
    with pytest.raises(CheckpointError, match="cannot be resumed"):
        train(SPEECH, spoken, spoken, tmp_path / "elsewhere", resume=True)


def test_a_training_may_start_from_a_bundle(tmp_path: Path, spoken: Path, trained_speech_bundle: Path) -> None:
    settings = replace(SPEECH, fit=replace(FIT, epochs=1, peak_rate=1e-9))
    settings = replace(settings, network=replace(TINY_NETWORK, dropout=0.05))  # dropout has no weights
    fitted = train(settings, spoken, spoken, tmp_path / "run", init_from=trained_speech_bundle)
    assert fitted.bundle.network.config.dropout == 0.05
    assert fitted.best.characters.edits <= 2  # knows them by heart already, but for new batch statistics
    assert fitted.bundle.provenance["init_from"]["dev"]["cer"] == 0
    other = replace(settings, network=replace(TINY_NETWORK, hidden=5))
    with pytest.raises(ConfigError, match="has another network than the preset"):
        train(other, spoken, spoken, tmp_path / "other", init_from=trained_speech_bundle)
    with pytest.raises(ConfigError, match="give one of them"):
        train(settings, spoken, spoken, tmp_path / "run", resume=True, init_from=trained_speech_bundle)


def test_a_bundle_that_reads_is_spared_the_first_lessons(trained_speech_bundle: Path) -> None:
    beginner = checkpoint.load(trained_speech_bundle)
    data = DataConfig(early_epochs=2, weights={"a": 2.0})
    assert training.batching(data, beginner) is data
    advanced = replace(beginner, provenance={"init_from": beginner.provenance})
    assert training.batching(data, advanced) == replace(data, early_epochs=0, short_first=False)


def test_a_bundle_learns_new_symbols_and_is_resumed_with_them(tmp_path: Path, trained_speech_bundle: Path) -> None:
    texts = [text.replace("d", "e") for text in SPOKEN_TEXTS]  # the same sounds, another spelling
    rows = write_rows(tmp_path / "speech", TINY_SPEECH, SPOKEN_TEXTS)
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    manifest.write(rows, [{**line, "text": text} for line, text in zip(lines, texts, strict=True)])
    settings = replace(SPEECH, fit=replace(FIT, epochs=1))
    with pytest.raises(AlphabetError, match=r"1 symbols that bundle tiny cannot write: U\+0065 'e' 8 times;"):
        train(settings, rows, rows, tmp_path / "fail", init_from=trained_speech_bundle)
    assert sum(text.count("e") for text in texts) == 8
    for policy, symbols in (("union", " abcde"), ("new", " abce")):
        fitted = train(settings, rows, rows, tmp_path / policy, init_from=trained_speech_bundle, alphabet=policy)
        assert "".join(fitted.bundle.alphabet.symbols) == symbols
        assert fitted.bundle.provenance["init_from"]["dev"]["cer"] == 0
    # The state knows where the run began; the rows alone would give another alphabet.
    again = train(replace(settings, fit=FIT), rows, rows, tmp_path / "union", resume=True)
    assert again.bundle.alphabet.symbols == tuple(" abcde")
    assert again.epochs == 2
    assert checkpoint.load(tmp_path / "union" / "kept" / "epoch-0001").provenance["init_from"]["dev"]["cer"] == 0


def test_a_run_that_got_nowhere_is_begun_anew(tmp_path: Path, spoken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    settings = replace(SPEECH, fit=replace(FIT, epochs=1))
    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="the state of update 0 is saved"):
        patch.setattr(trainer, "gradient", fail)
        train(settings, spoken, spoken, tmp_path / "run")
    other = replace(settings, fit=replace(settings.fit, seed=2))
    assert train(other, spoken, spoken, tmp_path / "run").bundle.provenance["seed"] == 2


def test_torchrun_goes_on_after_a_crash(tmp_path: Path, spoken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(replace(SPEECH, fit=replace(FIT, epochs=1)), spoken, spoken, tmp_path / "run")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert train(SPEECH, spoken, spoken, tmp_path / "run").epochs == 2
    # A crash before there was a state: the run begins.
    assert train(replace(SPEECH, fit=replace(FIT, epochs=1)), spoken, spoken, tmp_path / "new").epochs == 1


def test_the_wrong_kind_of_rows_is_refused(tmp_path: Path, spoken: Path) -> None:
    with pytest.raises(ConfigError, match=r"16 rows have no 'image', which this preset trains on; the first is 0\.wav"):
        train(HANDWRITING, spoken, spoken, tmp_path / "run")
    with pytest.raises(ManifestError, match="cannot be read"):
        train(SPEECH, spoken, tmp_path / "none.jsonl", tmp_path / "run")


def test_settings_are_the_preset_with_overrides(tmp_path: Path) -> None:
    preset = tmp_path / "p.toml"
    preset.write_text('kind = "handwriting"\n[fit]\nepochs = 3\n[augment.masking]\ntime_every = 9\n', encoding="utf-8")
    made = training.settings(preset, ["frontend.height_px=40", "fit.seed=5", "name=mine", "data.weights.a-b=2"])
    assert isinstance(made, HandwritingTraining)
    assert (made.fit.epochs, made.fit.seed, made.frontend.height_px, made.name) == (3, 5, 40, "mine")
    assert made.augment.masking.time_every == 9
    assert made.data.weights == {"a-b": 2.0}
    assert made.text_rule == "strict"


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", 'kind is None; write kind = "speech" or "handwriting"'),
        ('kind = "telepathy"', "kind is 'telepathy'; write"),
        ('kind = "speech"\n[frontend]\nheight_px = 4', r"unknown setting .*p\.toml\.frontend\.height_px"),
        ('kind = "speech"\n[fit]\nepoch = 4', r"unknown setting .*fit\.epoch; did you mean 'epochs'\?"),
        ('kind = "speech"\n[network]\nlayers = 3', "3 layers but 4 rates"),
        ('kind = "speech"\ntext_rule = "shouted"', "text rule 'shouted' is unknown"),
    ],
)
def test_wrong_presets_are_refused(tmp_path: Path, written: str, sentence: str) -> None:
    (tmp_path / "p.toml").write_text(written, encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        training.settings(tmp_path / "p.toml")


def test_a_bundle_learns_phones_beside_its_letters(tmp_path: Path, spoken: Path, trained_speech_bundle: Path) -> None:
    names = {"a": "AA", "b": "B", "c": "K", "d": "D", " ": ""}
    rows = [json.loads(line) for line in spoken.read_text().splitlines()]
    for row in rows:
        row["phones"] = " ".join(names[letter] for letter in row["text"].lower()).strip() or "S"
    told = spoken.with_name("told.jsonl")
    manifest.write(told, rows)
    fit_config = replace(FIT, epochs=1, warmup_steps=0, average=0.0)
    settings = replace(SPEECH, network=replace(TINY_NETWORK, phones=39), fit=fit_config)
    settings = replace(settings, data=DataConfig(batch_frames=100))
    train(settings, told, told, tmp_path / "run", init_from=trained_speech_bundle)
    bundle = checkpoint.load(tmp_path / "run" / "best")
    samples = Samples(manifest.read(told), bundle.alphabet, bundle.frontend, bundle.text_rule)
    every = [samples.example(index, 0, 1) for index in range(len(samples))]
    batch = frontend.pad([one.features for one in every])

    def loss(network: Network) -> float:
        output = network(batch.x, batch.lengths)
        return float(phone_loss(output.phones, output.lengths, every).detach())

    torch.manual_seed(1)
    assert loss(bundle.network) < 0.6 * loss(checkpoint.load(trained_speech_bundle).network.grown(settings.network))
    plain = replace(SPEECH, fit=replace(FIT, epochs=1))
    with pytest.raises(ConfigError, match="another network"):
        train(plain, told, told, tmp_path / "plain", init_from=tmp_path / "run" / "best")
