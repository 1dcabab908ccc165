"""IAM's layout (Marti & Bunke 2002): line images, their texts in lines.txt or in one XML a form, partitions as lists.

    lines/a01/a01-000u/a01-000u-00.png      or anywhere below the source
    ascii/lines.txt     a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop
    ascii/forms.txt     a01-000u 000 ...    (the form's writer)
    xml/a01-000u.xml    <form id="a01-000u" writer-id="000"><handwritten-part><line id="a01-000u-00" text="A MOVE ..."/>

The XML is preferred: its text is what was written, while lines.txt sets punctuation apart from words. Partitions, one
id of a line or a form a line: trainset.txt, validationset1.txt, validationset2.txt, testset.txt (the corpus's own,
"large writer independent"), or train.uttlist, validation.uttlist, test.uttlist (known as Aachen's or RWTH's).
"""

import html
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from recog import image
from recog.corpora.entries import entries
from recog.corpora.found import Found, Sample, walk, written_path
from recog.corpora.lines import SUFFIXES
from recog.errors import InputError, ManifestError
from recog.formats import xml_file

# Each partition: file -> what its lines are for.
PARTITIONS = (
    {"trainset.txt": "train", "validationset1.txt": "dev", "validationset2.txt": "dev", "testset.txt": "test"},
    {"train.uttlist": "train", "validation.uttlist": "dev", "test.uttlist": "test"},
)


@dataclass(frozen=True)
class Texts:
    """What the corpus tells of its lines."""

    # Line -> text.
    lines: dict[str, str] = field(default_factory=dict)
    # Form -> writer.
    writers: dict[str, str] = field(default_factory=dict)


def read(source: Path, base: Path) -> Found:
    """Lines -> samples for a manifest in `base`, with writer and official use; without a partition grouped by writer.

    Every picture is decoded once. Refuses a source without texts, with two partitions, with an id in two lists of one,
    malformed lines by number, and a source without a sample.
    """
    found = Found()
    files = walk(source, found)
    texts, uses = _texts(files, source), _uses(files, source)
    pictures = {path.stem: path for path in files if path.suffix.lower() in SUFFIXES}
    for name, text in tqdm(texts.lines.items(), "lines", unit="line", mininterval=0.5):
        form = _form(name)
        use = uses.get(name) or uses.get(form) or ""
        path = pictures.get(name)
        if path is None:
            found.leave_out("no image for the line", name)
        elif uses and not use:
            found.leave_out("in no list of the partition", name)
        elif not text:
            found.leave_out("empty text", name)
        else:
            try:
                image.read(path)
            except InputError:
                found.leave_out("unreadable image", path.relative_to(source).as_posix())
                continue
            writer = {"writer": texts.writers[form]} if form in texts.writers else {}
            row = {"image": written_path(path, base), "text": text, **writer, "source": "iam"}
            found.samples.append(Sample(texts.writers.get(form, form), row, use))
    return found.usable("line images with lines.txt or xml/*.xml", source)


def _form(line: str) -> str:
    """a01-000u-00 -> a01-000u."""
    return line.rpartition("-")[0]


def _texts(files: list[Path], source: Path) -> Texts:
    texts = Texts()
    for path in files:
        if path.name == "lines.txt":
            for entry in entries(path):
                cells = entry.text.split(" ", 8)
                if entry.text.startswith("#"):
                    continue
                if len(cells) != 9 or cells[1] not in ("ok", "err"):
                    raise entry.refusal(
                        f"is {entry.text[:60]!r}; expected id, ok or err, grey level, count, four of the box, words"
                    )
                texts.lines.setdefault(cells[0], " ".join(cells[8].replace("|", " ").split()))
        elif path.name == "forms.txt":
            rows = [entry.pair("a form and its writer") for entry in entries(path) if not entry.text.startswith("#")]
            texts.writers.update({form: rest.split()[0] for form, rest in rows})
    for path in tqdm([path for path in files if path.suffix.lower() == ".xml"], "forms", unit="form", mininterval=0.5):
        _read_form(path, texts)
    if not texts.lines:
        raise ManifestError(f"{source} holds neither lines.txt nor forms in XML; expected ascii/lines.txt or xml/*.xml")
    return texts


def _read_form(path: Path, texts: Texts) -> None:
    """Adds a form's lines and writer; other XML is passed over."""
    try:
        form = xml_file.parse(path)
    except InputError as error:
        raise ManifestError(str(error)) from error
    if xml_file.name(form) != "form":
        return
    if form.get("id") and form.get("writer-id"):
        texts.writers[form.get("id")] = form.get("writer-id")
    for line in xml_file.descendants(form, "line"):
        if line.get("id") and line.get("text") is not None:
            # The forms were escaped twice: &amp;quot; stands for a quotation mark.
            texts.lines[line.get("id")] = " ".join(html.unescape(line.get("text")).split())


def _uses(files: list[Path], source: Path) -> dict[str, str]:
    """Line or form -> "train", "dev" or "test"; empty without lists."""
    present = [[path for path in files if path.name in partition] for partition in PARTITIONS]
    if all(present):
        raise ManifestError(
            f"{source} holds two partitions, {present[0][0].name} and {present[1][0].name}; leave the lists of one only"
        )
    uses: dict[str, str] = {}
    for partition, lists in zip(PARTITIONS, present, strict=True):
        for path in lists:
            for entry in entries(path):
                if uses.setdefault(entry.text, partition[path.name]) != partition[path.name]:
                    raise entry.refusal(f"names {entry.text}, which is already for {uses[entry.text]}")
    return uses
