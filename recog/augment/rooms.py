"""Rooms: recorded impulse responses, or those of simulated shoebox rooms by the method of image sources."""

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recog.audio import Waveform
from recog.augment.recordings import collection
from recog.errors import ConfigError

SPEED_OF_SOUND = 343.0
# Different simulated rooms; each is computed once.
ROOMS = 256


@dataclass(frozen=True)
class Room:
    """How often and in which rooms the speaker stands."""

    chance: float = 0.0
    # A manifest, folder or tar of recorded impulse responses, and which `part` of its rows; "": rooms are simulated.
    source: str = ""
    part: str = ""
    # Simulated: seconds in which sound falls by 60 dB, from a living room to a hall.
    shortest_seconds: float = 0.15
    longest_seconds: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or not 0.05 <= self.shortest_seconds <= self.longest_seconds <= 2:
            raise ConfigError(
                "augment.room: expected a chance in 0..1 and 0.05 <= shortest_seconds <= longest_seconds <= 2"
            )


@dataclass(frozen=True)
class Shoebox:
    """A room with six walls of one material; lengths and places in metres from one corner."""

    size: tuple[float, float, float]
    speaker: tuple[float, float, float]
    microphone: tuple[float, float, float]
    # Seconds in which sound falls by 60 dB.
    reverberation: float

    @property
    def reflection(self) -> float:
        """Share of the pressure that a wall gives back, from the reverberation time (Eyring 1930)."""
        x, y, z = self.size
        surface = 2 * (x * y + y * z + z * x)
        decay = 24 * math.log(10) * x * y * z / (SPEED_OF_SOUND * surface * self.reverberation)
        return math.exp(-decay / 2)


def reverberate(speech: Waveform, rate_hz: int, room: Room, random: np.random.Generator) -> Waveform:
    """Speech (n,) as heard in a drawn room: (n,), as loud as before, words where they were."""
    if room.source:
        recordings = collection(room.source, rate_hz, "room", room.part)
        response = _from_direct(recordings.waveform(int(random.integers(len(recordings)))))
    else:
        number = int(random.integers(ROOMS))
        response = _simulated(number, rate_hz, room.shortest_seconds, room.longest_seconds)
    return convolve(speech, response)


def convolve(speech: Waveform, response: Waveform) -> Waveform:
    """Speech (n,) with a response (m,) that begins with the direct sound: (n,), of the same mean power."""
    import scipy.signal  # takes a second to import: only who uses rooms pays

    heard = scipy.signal.oaconvolve(speech, response)[: len(speech)].astype(np.float32)
    before, after = float(np.dot(speech, speech)), float(np.dot(heard, heard))
    return heard * np.float32(math.sqrt(before / after)) if after else speech


@functools.lru_cache(maxsize=ROOMS)
def _simulated(number: int, rate_hz: int, shortest: float, longest: float) -> Waveform:
    return _from_direct(simulate(draw(np.random.default_rng([number, 1979]), shortest, longest), rate_hz))


def simulate(room: Shoebox, rate_hz: int) -> Waveform:
    """(n,) impulse response of a room that has the reverberation time asked for.

    Echoes between parallel walls outlive the even field of Eyring's formula, so a first response is measured and the
    walls are taken to be as much duller as it lasts too long.
    """
    found = reverberation_of(_without_offset(response_of(room, rate_hz, room.reflection), rate_hz), rate_hz)
    return _without_offset(response_of(room, rate_hz, room.reflection ** (found / room.reverberation)), rate_hz)


def _without_offset(response: Waveform, rate_hz: int) -> Waveform:
    """Images all of one sign leave an offset that no room has (Allen & Berkley 1979, section II): 40 Hz and up."""
    import scipy.signal

    high_pass = scipy.signal.butter(2, 40, "highpass", fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(high_pass, response), np.float32)


def reverberation_of(response: Waveform, rate_hz: int) -> float:
    """Seconds in which sound falls by 60 dB, from its fall between -5 and -25 dB (Schroeder 1965)."""
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    decay = 10 * np.log10(energy / energy[0] + 1e-12)
    first, last = int(np.argmax(decay < -5)), int(np.argmax(decay < -25))
    return float(-60 / np.polyfit(np.arange(first, last) / rate_hz, decay[first:last], 1)[0])


def draw(random: np.random.Generator, shortest: float, longest: float) -> Shoebox:
    """A room from a chamber to a classroom; speaker and microphone half a metre off the walls, at the height of people."""
    size = (random.uniform(2.5, 8), random.uniform(2.5, 7), random.uniform(2.3, 3.5))
    places = [
        (random.uniform(0.5, size[0] - 0.5), random.uniform(0.5, size[1] - 0.5), random.uniform(0.8, 1.9))
        for _ in range(2)
    ]
    return Shoebox(size, places[0], places[1], random.uniform(shortest, longest))


def response_of(room: Shoebox, rate_hz: int, reflection: float) -> Waveform:
    """(n,) pressure at the microphone after an impulse at the speaker; sample k is k / rate_hz seconds after it.

    Image sources (Allen & Berkley 1979, eq. 10): every mirror image of the speaker sends the impulse, weaker by its
    distance and by the `reflection` of every wall on its way, up to the reverberation time. Between samples by linear interpolation.
    """
    reach = SPEED_OF_SOUND * room.reverberation
    axes = [_images(*along, reach) for along in zip(room.size, room.speaker, room.microphone, strict=True)]
    (x, bounces_x), (y, bounces_y), (z, bounces_z) = axes
    response = np.zeros(math.ceil(room.reverberation * rate_hz) + 2)
    for offset, bounces in zip(x, bounces_x, strict=True):  # one sheet of images at a time: memory stays small
        distance = np.sqrt(offset**2 + y[:, None] ** 2 + z[None, :] ** 2)
        near = distance < reach
        walls = (bounces + bounces_y[:, None] + bounces_z[None, :])[near]
        distance = distance[near]
        pressure = reflection**walls / (4 * math.pi * np.maximum(distance, 0.1))
        sample = distance * (rate_hz / SPEED_OF_SOUND)
        whole = sample.astype(np.int64)
        late = sample - whole
        response += np.bincount(whole, pressure * (1 - late), len(response))
        response += np.bincount(whole + 1, pressure * late, len(response))
    return response.astype(np.float32)


def _images(
    length: float, speaker: float, microphone: float, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Along one axis: offsets of the images from the microphone, and how many walls each has met."""
    last = math.ceil(reach / (2 * length)) + 1
    turns = np.arange(-last, last + 1)
    straight, mirrored = speaker - microphone + 2 * turns * length, -speaker - microphone + 2 * turns * length
    offsets = np.concatenate([straight, mirrored])
    walls = np.concatenate([np.abs(2 * turns), np.abs(2 * turns - 1)])
    return offsets, walls


def _from_direct(response: Waveform) -> Waveform:
    """The response from its loudest moment on, which is the direct sound or close to it: words keep their times."""
    return response[int(np.argmax(np.abs(response))) :]
