"""Changes to a recording: other voices, rooms, noises, microphones and lines."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recog.audio import SpeechFrontend, Waveform
from recog.augment import codecs, noises, rooms
from recog.augment.codecs import Codec
from recog.augment.masking import Masking
from recog.augment.noises import Noise
from recog.augment.passage import Passage
from recog.augment.rooms import Room
from recog.errors import ConfigError


@dataclass(frozen=True)
class Speed:
    """Playing faster or slower, pitch and all (Ko 2015)."""

    chance: float = 0.0
    # Factor drawn from 1 - reach .. 1 + reach, in steps of 1 %.
    reach: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or not 0 < self.reach <= 0.5:
            raise ConfigError("augment.speed: expected a chance in 0..1 and a reach above 0 and up to 0.5")


@dataclass(frozen=True)
class Gain:
    """Other distances and amplifiers. An even gain alone leaves normalised features as they were, but for clipping."""

    chance: float = 0.0
    # Decibels drawn between these; what passes full scale is clipped.
    lowest_db: float = -20.0
    highest_db: float = 12.0
    # The gain wanders by up to this many decibels either way within a recording, about once in two seconds.
    drift_db: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or self.lowest_db > self.highest_db or self.drift_db < 0:
            raise ConfigError("augment.gain: expected a chance in 0..1, lowest_db <= highest_db and drift_db >= 0")


@dataclass(frozen=True)
class SpeechAugment:
    """Other tempos and vocal tracts, which are other analysis settings and cost nothing, and changes to the sound itself."""

    # Tempo factor drawn from 1 - tempo .. 1 + tempo: the hop grows or shrinks.
    tempo: float = 0.0
    # Vocal tract factor drawn from 1 - warp .. 1 + warp: the mel corners move (Jaitly & Hinton 2013).
    warp: float = 0.0
    speed: Speed = Speed()
    room: Room = Room()
    noise: Noise = Noise()
    gain: Gain = Gain()
    codec: Codec = Codec()
    passage: Passage = Passage()
    masking: Masking = Masking()

    def __post_init__(self) -> None:
        if not (0 <= self.tempo < 0.9 and 0 <= self.warp < 0.9):
            raise ConfigError(f"augment: tempo {self.tempo} and warp {self.warp} must lie in 0..0.9, 0.9 not included")


def vary_voice(frontend: SpeechFrontend, augment: SpeechAugment, random: np.random.Generator) -> SpeechFrontend:
    """The same frontend as if the speaker were faster or slower and larger or smaller (steps of 1 %)."""
    tempo = 1 + round(random.uniform(-augment.tempo, augment.tempo), 2)
    warp = 1 + round(random.uniform(-augment.warp, augment.warp), 2)
    return replace(frontend, hop_seconds=frontend.hop_seconds * tempo, warp=frontend.warp * warp)


def draw_speed(speed: Speed, random: np.random.Generator) -> int:
    """The speed in percent; 100 where it stays. Nothing is drawn where the chance is 0."""
    if not speed.chance or random.random() >= speed.chance:
        return 100
    return 100 + round(100 * random.uniform(-speed.reach, speed.reach))


def play_at(waveform: Waveform, percent: int) -> Waveform:
    """(n,) -> (ceil(100 n / percent),), faster or slower: every frequency times percent / 100, low-passed first where that needs be."""
    if percent == 100:
        return waveform
    import scipy.signal  # takes a second to import: only who plays pays

    shared = math.gcd(percent, 100)
    return np.asarray(scipy.signal.resample_poly(waveform, 100 // shared, percent // shared), np.float32)


def vary_sound(
    waveform: Waveform,
    rate_hz: int,
    augment: SpeechAugment,
    random: np.random.Generator,
    voice: Callable[[], Waveform],
) -> Waveform:
    """(n,) in -1..1 -> (n,) in -1..1: into a room, noise beside it, through a microphone and down a line, in this order.

    `voice` gives the recording of another row each time. Nothing is drawn for what has no chance.
    """
    before = waveform
    if augment.room.chance and random.random() < augment.room.chance:
        waveform = rooms.reverberate(waveform, rate_hz, augment.room, random)
    if augment.noise.chance and random.random() < augment.noise.chance:
        waveform = noises.add(waveform, rate_hz, augment.noise, random, voice)
    if augment.gain.chance and random.random() < augment.gain.chance:
        waveform = amplify(waveform, rate_hz, augment.gain, random)
    if augment.codec.chance and random.random() < augment.codec.chance:
        waveform = codecs.transmit(np.clip(waveform, -1, 1), rate_hz, augment.codec, random)
    return waveform if waveform is before else np.clip(waveform, -1, 1)


def amplify(waveform: Waveform, rate_hz: int, gain: Gain, random: np.random.Generator) -> Waveform:
    """(n,) with a drawn gain that wanders."""
    points = 2 + len(waveform) // (2 * rate_hz)
    decibels = random.uniform(gain.lowest_db, gain.highest_db) + random.uniform(-gain.drift_db, gain.drift_db, points)
    factors = np.float32(10) ** (decibels / 20).astype(np.float32)
    places = np.linspace(0, points - 1, len(waveform), dtype=np.float32)
    louder: Waveform = waveform * np.interp(places, np.arange(points), factors).astype(np.float32)
    return louder
