"""TIMIT (Garofolo 1993), in capitals or small letters, as the LDC's SPHERE files or as .wav made of them.

    TRAIN/DR1/FCJF0/SX37.WAV    DR1: dialect region, F: woman, CJF0: the speaker
    TRAIN/DR1/FCJF0/SX37.PHN    0 2080 h#      first sample, last sample, phone
    TRAIN/DR1/FCJF0/SX37.WRD    2080 5040 she
    TRAIN/DR1/FCJF0/SX37.TXT    0 61748 She had your dark suit in greasy wash water all year.
    TEST/...

The two `sa` sentences, which all speakers read alike, are left out. Of TEST, the 24 speakers of the core test set are
for testing and 50 others for dev (Halberstadt 1998, as in Kaldi's recipe); the rest of TEST is left out.
"""

import re
from pathlib import Path

from tqdm import tqdm

from recog import phones
from recog.corpora import duration
from recog.corpora.entries import entries
from recog.corpora.found import Found, Sample, walk, written_path
from recog.errors import InputError, ManifestError

RATE_HZ = 16000
_CORE_TEST = (
    "mdab0 mwbt0 felc0 mtas1 mwew0 fpas0 mjmp0 mlnt0 fpkt0 mlll0 mtls0 fjlm0 "
    "mbpm0 mklt0 fnlp0 mcmj0 mjdh0 fmgd0 mgrt0 mnjm0 fdhc0 mjln0 mpam0 fmld0"
)
_DEV = (
    "faks0 fdac1 fjem0 mgwt0 mjar0 mmdb1 mmdm2 mpdf0 fcmh0 fkms0 mbdg0 mbwm0 mcsh0 fadg0 fdms0 fedw0 mgjf0 "
    "mglb0 mrtk0 mtaa0 mtdt0 mthc0 mwjg0 fnmr0 frew0 fsem0 mbns0 mmjr0 mdls0 mdlf0 mdvc0 mers0 fmah0 fdrw0 "
    "mrcs0 mrjm4 fcal1 mmwh0 fjsj0 majc0 mjsw0 mreb0 fgjd0 fjmg0 mroa0 mteb0 mjfc0 mrjr0 fmml0 mrws1"
)
CORE_TEST, DEV = frozenset(_CORE_TEST.split()), frozenset(_DEV.split())
_PLACE = re.compile(r"(?:^|/)(train|test)/(dr[1-8])/([fm][a-z]{3}[0-9])/(s[aix][0-9]+)$")


def read(source: Path, base: Path) -> Found:
    """Sentences -> samples for a manifest in `base`, `text` the 61 phones by name: train with a rule phones-61, -48 or -39.

    Rows also have the `words` of .WRD, where it lies there, and the `dialect`.
    Refuses phones that TIMIT does not have and lines without two sample numbers in order (by line), and a source
    without a sentence.
    """
    found = Found()
    files = walk(source, found)
    sentences: dict[str, dict[str, Path]] = {}
    for path in files:
        # SX37.WAV.wav is what a conversion has made of SX37.WAV: it comes later in the order and wins.
        name = path.relative_to(source).as_posix().lower()
        stem, _, suffix = name.removesuffix(".wav.wav").removesuffix(".wav").partition(".")
        sentences.setdefault(stem, {})["wav" if name.endswith(".wav") else suffix] = path
    for stem, parts in tqdm(sentences.items(), "sentences", unit="file", mininterval=0.5):
        # The source may be TRAIN itself, or lie within it: its own name counts.
        place = _PLACE.search(f"{source.resolve().name.lower()}/{stem}")
        if place is None or not parts.keys() & {"wav", "phn"}:
            continue
        split, dialect, speaker, sentence = place.groups()
        use = "train" if split == "train" else "test" if speaker in CORE_TEST else "dev" if speaker in DEV else ""
        if sentence.startswith("sa"):
            found.leave_out("an sa sentence, which every speaker reads", stem)
        elif not use:
            found.leave_out("in TEST, but neither in the core test set nor for dev", stem)
        elif "wav" not in parts or "phn" not in parts:
            found.leave_out("a recording without .PHN" if "wav" in parts else "a .PHN without recording", stem)
        else:
            _add(found, stem, parts, (speaker, dialect, use), base)
    return found.usable("TRAIN and TEST with DR1/SPEAKER/SENTENCE.WAV and .PHN", source)


def _add(found: Found, stem: str, parts: dict[str, Path], who: tuple[str, str, str], base: Path) -> None:
    spoken = labels(parts["phn"])
    unknown = [name for name in spoken if name not in phones.LETTERS]
    if unknown or not spoken:
        raise ManifestError(f"{parts['phn']} holds {unknown[0] if unknown else 'nothing'!r}; expected phones of TIMIT")
    try:
        length = duration.seconds(parts["wav"])
    except InputError:
        found.leave_out("unreadable recording", stem)
        return
    speaker, dialect, use = who
    row = {"audio": written_path(parts["wav"], base), "text": " ".join(spoken), "duration": length}
    if "wrd" in parts:
        row["words"] = " ".join(labels(parts["wrd"]))
    row |= {"speaker": speaker, "dialect": dialect, "source": "timit"}
    found.samples.append(Sample(speaker, row, use))


def labels(path: Path) -> list[str]:
    """The third words of lines "first last label", in small letters; refuses lines of another form, and time backwards."""
    found, before = [], 0
    for entry in entries(path):
        match = re.fullmatch(r"([0-9]{1,12})\s+([0-9]{1,12})\s+(\S+)", entry.text)
        # Words may overlap by their first samples, but none begins before the one ahead of it.
        if match is None or not before <= int(match[1]) <= int(match[2]):
            raise entry.refusal(f"is {entry.text[:60]!r}; expected first sample, last sample, label, in order of time")
        before = int(match[1])
        found.append(match[3].lower())
    return found
