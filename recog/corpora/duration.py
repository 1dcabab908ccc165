"""How long a recording is, as its container tells it."""

from pathlib import Path

from recog import audio
from recog.errors import InputError

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".webm", ".m4a", ".aac", ".mp4")
# Formats without a header that knows: FFmpeg would guess from the bit rate of the first frames.
GUESSED = ("aac",)


def seconds(path: Path) -> float:
    """Seconds of the first sound track, from the header; decoded only where the header does not tell.

    Refuses what holds no sound track or cannot be opened as a recording.
    """
    told = _told(path)
    if told is None:
        rate_hz = 16000
        told = len(audio.read(path, rate_hz)) / rate_hz
    return round(told, 3)


def _told(path: Path) -> float | None:
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} holds no sound track")
            track = container.streams.audio[0]
            told = None
            if track.duration is not None and track.time_base is not None:
                told = float(track.duration * track.time_base)
            elif container.duration is not None:
                told = container.duration / 1e6  # microseconds
            return told if told and told > 0 and container.format.name not in GUESSED else None
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a recording that can be opened ({str(error).rstrip('.')})") from error
