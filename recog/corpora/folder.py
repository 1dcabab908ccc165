"""The simplest corpus: recordings in a folder, each with a text file of the same name beside it."""

from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from recog.corpora import duration
from recog.corpora.found import Found, Sample, transcript, walk, written_path
from recog.errors import InputError


def read(source: Path, base: Path, tell: Callable[[int, int], object] = lambda done, all_: None) -> Found:
    """a.wav + a.txt, in any depth -> samples for a manifest in the folder `base`. Refuses a source without one.

    `tell` is told of recordings looked at, and of how many there are; what it raises ends the reading.
    """
    found = Found()
    files = walk(source, found)
    recordings = [path for path in files if path.suffix.lower() in duration.SUFFIXES]
    texts = {path for path in files if path.suffix == ".txt"}
    for number, path in enumerate(tqdm(recordings, "recordings", unit="file", mininterval=0.5)):
        tell(number, len(recordings))
        name = path.relative_to(source)
        if path.with_suffix(".txt") not in texts:
            found.leave_out("no .txt beside the recording", name.as_posix())
            continue
        text = transcript(path.with_suffix(".txt"), found, name.as_posix())
        if not text:
            continue
        try:
            length = duration.seconds(path)
        except InputError:
            found.leave_out("unreadable recording", name.as_posix())
            continue
        row = {"audio": written_path(path, base), "text": text, "duration": length, "source": source.resolve().name}
        # One text read from two formats of one recording must not stand on both sides of the split.
        found.samples.append(Sample(name.with_suffix("").as_posix(), row))
    spoken = {path.with_suffix(".txt") for path in recordings}
    for path in sorted(texts - spoken):
        found.leave_out("no recording beside the .txt", path.relative_to(source).as_posix())
    return found.usable(f"{', '.join(duration.SUFFIXES)} with a .txt of the same name beside each", source)
