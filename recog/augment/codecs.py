"""What transmission does to speech: the band and steps of a telephone, or a real codec there and back."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from recog import audio
from recog.audio import Waveform
from recog.errors import ConfigError

# Encoder and container of each real codec: lossy, and in daily use.
REAL = {"opus": ("libopus", "ogg"), "mp3": ("libmp3lame", "mp3")}
# What both take.
RATES_HZ = (8000, 12000, 16000, 24000, 48000)
TELEPHONE_HZ = (300.0, 3400.0)


@dataclass(frozen=True)
class Codec:
    """How often and through what speech is sent."""

    chance: float = 0.0
    # Drawn among these: "telephone" (simulated, quick), "opus", "mp3" (real, some 10 times slower).
    kinds: tuple[str, ...] = ("telephone",)
    # Bit rate of the real ones, drawn between these.
    lowest_kbit: float = 8.0
    highest_kbit: float = 24.0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or not 6 <= self.lowest_kbit <= self.highest_kbit <= 320:
            raise ConfigError("augment.codec: expected a chance in 0..1 and 6 <= lowest_kbit <= highest_kbit <= 320")
        if not self.kinds or not set(self.kinds) <= {"telephone", *REAL}:
            raise ConfigError(f"augment.codec.kinds are {list(self.kinds)}; choose among telephone, {', '.join(REAL)}")


def transmit(speech: Waveform, rate_hz: int, codec: Codec, random: np.random.Generator) -> Waveform:
    """Speech (n,) in -1..1 as it arrives, (n,), through a drawn kind of line."""
    kind = codec.kinds[int(random.integers(len(codec.kinds)))]
    if kind == "telephone":
        return telephone(speech, rate_hz)
    return round_trip(speech, rate_hz, kind, 1000 * random.uniform(codec.lowest_kbit, codec.highest_kbit))


def telephone(speech: Waveform, rate_hz: int) -> Waveform:
    """Speech (n,) in -1..1 with nothing left outside 300 to 3400 Hz, in the 256 steps of mu-law at 8 kHz (ITU-T G.711)."""
    import scipy.signal  # takes a second to import: only who telephones pays

    shared = math.gcd(rate_hz, 8000)
    narrow = speech if rate_hz == 8000 else scipy.signal.resample_poly(speech, 8000 // shared, rate_hz // shared)
    band = scipy.signal.butter(4, TELEPHONE_HZ, "bandpass", fs=8000, output="sos")
    heard = scipy.signal.sosfiltfilt(band, narrow)  # there and back: no delay
    compressed = np.sign(heard) * np.log1p(255 * np.minimum(np.abs(heard), 1)) / math.log(256)
    stepped = np.rint(compressed * 127) / 127
    heard = np.sign(stepped) * np.expm1(np.abs(stepped) * math.log(256)) / 255
    if rate_hz != 8000:
        heard = scipy.signal.resample_poly(heard, rate_hz // shared, 8000 // shared)
    return _fit(heard.astype(np.float32), len(speech))


def round_trip(speech: Waveform, rate_hz: int, kind: str, bits_per_second: float) -> Waveform:
    """Speech (n,) in -1..1 encoded by a real codec and decoded again, (n,), in time with what went in."""
    import av

    encoder, container = REAL[kind]
    if rate_hz not in RATES_HZ:
        raise ConfigError(
            f"augment.codec: {kind} takes no {rate_hz} Hz; it works at {', '.join(map(str, RATES_HZ))} Hz"
        )
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(encoder, rate=rate_hz, layout="mono")
        stream.bit_rate = round(bits_per_second)
        stream.options = {"compression_level": "3"}  # the encoder's haste: less search, the same kind of loss
        steps = np.rint(np.clip(speech, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(steps[None, :], "s16", "mono")
        frame.rate = rate_hz
        frame.pts = 0
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return _fit(audio.read(buffer.getvalue(), rate_hz), len(speech))


def _fit(waveform: Waveform, size: int) -> Waveform:
    """Cut or filled up with silence to (size,)."""
    return waveform[:size] if len(waveform) >= size else np.pad(waveform, (0, size - len(waveform)))
