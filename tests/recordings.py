"""Recordings of every kind, made by FFmpeg and libsndfile from a wave."""

import io
from dataclasses import dataclass

import av
import numpy as np
import soundfile

from recog.audio import Waveform


@dataclass(frozen=True)
class Kind:
    """A kind of recording, and how exactly its sound comes back."""

    name: str
    container: str
    codec: str
    rate_hz: int = 44100
    layout: str = "mono"
    # Pictures beside the sound: a video.
    pictures: int = 0
    # Longest silence that the codec may add, in seconds.
    slack_seconds: float = 0.0
    # Written to a pipe: what cannot go back never fills in a length.
    piped: bool = False
    # Options of FFmpeg's writer.
    options: tuple[tuple[str, str], ...] = ()


KINDS = [
    Kind("wav", "wav", "pcm_s16le"),
    Kind("wav-8-bit", "wav", "pcm_u8"),
    Kind("wav-24-bit-48k-stereo", "wav", "pcm_s24le", 48000, "stereo"),
    Kind("wav-float", "wav", "pcm_f32le"),
    Kind("wav-8k", "wav", "pcm_s16le", 8000),
    Kind("flac", "flac", "flac"),
    Kind("flac-5.1", "flac", "flac", 48000, "5.1"),
    Kind("opus", "ogg", "libopus", 48000),
    Kind("mp3", "mp3", "libmp3lame", slack_seconds=0.1),
    Kind("webm", "webm", "libopus", 48000, "stereo"),
    Kind("m4a", "ipod", "aac", slack_seconds=0.1),
    Kind("aac", "adts", "aac", slack_seconds=0.1),
    Kind("mp4-with-video", "mp4", "aac", pictures=10, slack_seconds=0.1),
    Kind("mkv-with-video", "matroska", "libopus", 48000, pictures=10),
    Kind("aiff", "aiff", "pcm_s16be"),
]


class Pipe(io.RawIOBase):
    """A file that cannot go back, as a browser's recorder writes: no length ever reaches its header."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.content += data
        return len(data)

    def getvalue(self) -> bytes:
        return bytes(self.content)


def encode(wave: Waveform, kind: Kind) -> bytes:
    """A mono wave as a file of that kind, the same in every channel."""
    data = Pipe() if kind.piped else io.BytesIO()
    with av.open(data, "w", format=kind.container, options=dict(kind.options)) as container:
        video = container.add_stream("mpeg4", rate=10, width=32, height=32) if kind.pictures else None
        sound = container.add_stream(kind.codec, rate=kind.rate_hz, layout=kind.layout)
        for _ in range(kind.pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        if video is not None:
            container.mux(video.encode())
        channels = av.AudioLayout(kind.layout).nb_channels
        interleaved = np.repeat(wave, channels)[None]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(interleaved), format="flt", layout=kind.layout)
        frame.sample_rate = kind.rate_hz
        size = sound.codec_context.frame_size or None
        fit = av.AudioResampler(sound.format.name, kind.layout, kind.rate_hz, frame_size=size)
        for part in [*fit.resample(frame), *fit.resample(None)]:
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return data.getvalue()


def wav(wave: np.ndarray, rate_hz: int = 16000, subtype: str = "PCM_16") -> bytes:
    data = io.BytesIO()
    soundfile.write(data, wave, rate_hz, format="WAV", subtype=subtype)
    return data.getvalue()


def video_alone(pictures: int, sound: bool = False) -> bytes:
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10, width=32, height=32)
        if sound:
            container.add_stream("aac", rate=44100)
        container.start_encoding()
        for _ in range(pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(video.encode())
    return data.getvalue()
