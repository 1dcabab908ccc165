"""Any file or bytes -> mono waveform at one rate.

Decoding is FFmpeg's, carried inside PyAV, so wav, flac, ogg, opus, mp3, webm, m4a, aac and the sound of a video need
no program beside Python.
"""

import contextlib
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recog import archive
from recog.audio.endings import cut_off, frame_bytes, mp3_tag
from recog.errors import InputError

Waveform = NDArray[np.float32]

# FFmpeg's readers of recordings and videos. Playlists and the like stay out: they would open other files and addresses.
_CONTAINERS = (
    "wav,w64,flac,ogg,mp3,matroska,mov,aac,aiff,au,caf,amr,avi,asf,flv,mpeg,mpegts,ac3,eac3,dts,ape,wv,tta,mpc,mpc8,"
    "nistsphere"
)

# Streams without a header: FFmpeg guesses their length from the first packet.
_HEADERLESS = ("aac", "ac3", "amr", "dts", "eac3", "mpeg", "mpegts")

# Here the declared length is that of the sound to the sample; elsewhere encoders pad, and containers round.
_EXACT = ("aiff", "au", "caf", "flac", "nistsphere", "tta", "w64", "wav", "wv")


def read(
    source: str | Path | bytes,
    rate_hz: int = 16000,
    limit_seconds: float = 12 * 3600,
    damage: list[str] | None = None,
) -> Waveform:
    """Mono waveform (n,) in -1..1 at `rate_hz` of the first sound track of a file or of its bytes.

    Values lie on the grid of 16 bits, where training keeps its samples too. Channels are averaged. A damaged stretch
    is left out, what can be decoded is kept; a list given as `damage` is told of each such stretch.
    Refuses what holds no sound, and recordings longer than the limit.
    """
    return np.concatenate(list(stream(source, rate_hz, limit_seconds, damage)))


def stream(
    source: str | Path | bytes,
    rate_hz: int = 16000,
    limit_seconds: float = math.inf,
    damage: list[str] | None = None,
    channel: int | None = None,
) -> Iterator[Waveform]:
    """The same waveform in blocks of a second or more, so that a recording of any length fits into memory.

    `channel`, counted from 0, is heard alone; None averages them all. A recording that declares to be longer than the
    limit is refused before anything is decoded, another one when the limit is reached.
    """
    damage = [] if damage is None else damage
    samples = 0
    with _opened(source) as recording:
        too_long = f"{recording.name} is longer than {limit_seconds:.0f} s, the limit; cut it into parts"
        if (recording.declared_seconds() or 0) > limit_seconds + 1:  # containers round
            raise InputError(too_long)
        for block in _blocks(_decode(recording, rate_hz, damage, channel), rate_hz):
            samples += block.size
            if samples > limit_seconds * rate_hz:
                raise InputError(too_long)
            yield block
        if samples == 0:
            raise InputError(f"{recording.name} holds no decodable sound; it may be cut off or damaged")
        recording.compare(samples / rate_hz, damage)


@dataclass(frozen=True)
class Description:
    """What a recording says of itself, without decoding it."""

    # None where it does not know.
    seconds: float | None
    channels: int


def describe(source: str | Path | bytes) -> Description:
    """Length and channels of the first sound track. Refuses what holds no sound."""
    with _opened(source) as recording:
        channels = recording.container.streams.audio[0].codec_context.channels
        return Description(recording.declared_seconds(), max(1, channels))


@dataclass(frozen=True)
class _Opened:
    """A recording that FFmpeg has opened, and which has sound."""

    # PyAV's.
    container: Any
    # What to call it in a sentence.
    name: str
    content: str | Path | bytes

    def declared_seconds(self) -> float | None:
        """How long the first sound track is by the file's own account; None where it gives none, or a guess."""
        if self.container.format.name in _HEADERLESS:
            return None
        if self.container.format.name == "mp3":
            with _file(self.content) as file:
                if mp3_tag(file) is None:
                    return None
            if self.sound_end() < math.inf:  # FFmpeg takes what stands behind the sound for sound
                return None
        track = self.container.streams.audio[0]
        if track.duration is not None:
            return float(track.duration * track.time_base)
        if self.container.duration is None or self.container.streams.video:  # the picture may go on without sound
            return None
        return float(self.container.duration) / 1e6

    def sound_end(self) -> float:
        """The byte where the sound ends by the account of an mp3 that has something behind it; infinite elsewhere.

        Zeros and scraps behind the last frame, as downloads and rescued memory cards have them, are no damage.
        """
        if self.container.format.name != "mp3":
            return math.inf
        with _file(self.content) as file:
            tag, size = mp3_tag(file), file.seek(0, io.SEEK_END)
        return tag.end if tag is not None and 0 < tag.end < size else math.inf

    def compare(self, decoded: float, damage: list[str]) -> None:
        """Tells of sound that is missing without an error: FFmpeg ends a file that is cut off as if it were whole."""
        declared = self.declared_seconds()
        exact = self.container.format.name in _EXACT
        if declared is not None and decoded < (declared if exact else 0.95 * declared) - (0.01 if exact else 0.1):
            damage.append(f"it declares {declared:.2f} s, {decoded:.2f} s can be decoded")
        with _file(self.content) as file:
            if missing := cut_off(file):
                damage.append(missing)


@contextlib.contextmanager
def _opened(source: str | Path | bytes) -> Iterator[_Opened]:
    """The recording, open; errors of FFmpeg while it is become our own."""
    import av

    name = "the uploaded data" if isinstance(source, bytes) else str(source)
    source = archive.resolve(source)
    if isinstance(source, bytes) and not source:
        raise InputError(f"{name} is empty (0 bytes); expected a recording")
    if not isinstance(source, bytes):
        if not Path(source).is_file():
            raise InputError(f"{name} does not exist or is not a file")
        if Path(source).stat().st_size == 0:
            raise InputError(f"{name} is empty (0 bytes); expected a recording")
    try:
        # "file:" because a name like 12:30.wav would be taken for an address; old tags are rarely UTF-8.
        with av.open(
            io.BytesIO(source) if isinstance(source, bytes) else f"file:{source}",
            options={"format_whitelist": _CONTAINERS},
            metadata_errors="replace",
        ) as container:
            if not container.streams.audio:
                raise InputError(f"{name} holds no sound track")
            yield _Opened(container, name, source)
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        missing = ""
        with contextlib.suppress(OSError), _file(source) as file:
            missing = cut_off(file)  # the index of an MP4 stands at its end more often than not
        if missing:
            raise InputError(f"{name} is cut off and cannot be decoded ({missing}); fetch or copy it again") from error
        raise InputError(f"{name} is not a recording that can be decoded ({_reason(error)})") from error


def _file(content: str | Path | bytes) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else Path(content).open("rb")


def _decode(recording: _Opened, rate_hz: int, damage: list[str], channel: int | None) -> Iterator[Waveform]:
    import av

    # Streams glued together, and AAC that turns stereo, change their form on the way.
    for _, alike in itertools.groupby(
        _frames(recording, damage), lambda f: (f.format.name, f.layout.name, f.sample_rate)
    ):
        resampler = av.AudioResampler(format="fltp", rate=rate_hz)  # FFmpeg's own way to mono is no average: +3 dB
        for frame in itertools.chain(alike, [None]):
            for piece in resampler.resample(frame):
                channels = piece.to_ndarray()
                if channel is not None:
                    yield channels[channel] if channel < len(channels) else np.zeros_like(channels[0])
                else:
                    yield channels[0] if len(channels) == 1 else channels.mean(axis=0)


def _blocks(pieces: Iterable[Waveform], least: int) -> Iterator[Waveform]:
    """Pieces of any sizes joined to blocks of `least` samples or a little more; the last one holds the rest."""
    waiting: list[Waveform] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(one.size for one in waiting) >= least:
            yield _on_grid(np.concatenate(waiting))
            waiting = []
    if sum(one.size for one in waiting):
        yield _on_grid(np.concatenate(waiting))


def _frames(recording: _Opened, damage: list[str]) -> Iterator[Any]:
    """The decoded frames; a bad packet costs itself alone, a reader that loses its place what comes after."""
    import av

    container, sound_end = recording.container, recording.sound_end()
    track = container.streams.audio[0]
    # The last packet of a WAV is short as often as not, and one from a pipe always: its size tells, not its packets.
    shortened = container.format.name != "wav"
    framed = track.codec_context.name.startswith(("mp1", "mp2", "mp3"))
    try:
        for packet in container.demux(track):
            behind = packet.pos is not None and packet.pos >= sound_end  # scraps, or another mp3 glued on
            place = f"at {float(packet.pts * packet.time_base):.2f} s" if packet.pts is not None else "somewhere"
            if not behind and (
                (packet.is_corrupt and shortened) or (framed and packet.size < frame_bytes(bytes(packet)[:4]))
            ):
                damage.append(f"a packet is cut off {place}")
            try:
                frames = packet.decode()
            except av.error.FFmpegError as error:
                if not behind:
                    damage.append(f"a packet cannot be decoded {place} ({_reason(error)})")
                continue
            for frame in frames:
                frame.pts = None  # gaps in the time stamps would otherwise be filled or refused
                yield frame
    except av.error.FFmpegError as error:
        damage.append(f"the file cannot be read to its end ({_reason(error)})")


def _on_grid(waveform: Waveform) -> Waveform:
    """In place: holes filled with silence, clipped to -1..1, rounded to the values that 16 bits can hold."""
    np.nan_to_num(waveform, copy=False)
    np.clip(waveform, -1, 1, out=waveform)
    waveform *= 32767
    np.rint(waveform, out=waveform)
    waveform /= 32767
    return waveform


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".").lower()


def is_silent(waveform: Waveform, threshold: float = 1e-4) -> bool:
    """Whether a waveform never rises above digital silence (-80 dB of full scale)."""
    return bool(np.abs(waveform).max(initial=0.0) < threshold)
