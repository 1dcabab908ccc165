"""Recordings that are cut off or damaged: what is left is kept, what is missing is told, what is whole is not accused."""

import io
from dataclasses import replace

import av
import numpy as np
import pytest
import soundfile
from conftest import dominant_hz, tone_wave
from recordings import KINDS, Kind, encode, wav

from recog import audio
from recog.audio.endings import cut_off, frame_bytes, mp3_tag

MP3 = Kind("mp3", "mp3", "libmp3lame")
UNTAGGED = replace(MP3, name="mp3-without-tag", options=(("write_xing", "0"),))
LIVE = Kind("webm-live", "webm", "libopus", 48000, piped=True)
# Kinds whose files say, one way or another, where they end.
TELLING = [
    *(kind for kind in KINDS if kind.name in ("wav", "wav-24-bit-48k-stereo", "wav-float", "flac", "opus", "mp3")),
    *(kind for kind in KINDS if kind.name in ("webm", "aac", "mkv-with-video", "aiff")),
    UNTAGGED,
    LIVE,
    Kind("rf64", "wav", "pcm_s16le", options=(("rf64", "always"),)),
    Kind("m4a-in-parts", "ipod", "aac", piped=True, options=(("movflags", "frag_keyframe+empty_moov"),)),
]


def noisy(seconds: float, rate_hz: int) -> np.ndarray:
    """A tone and a little noise, so that no codec makes nothing of it."""
    wave = tone_wave(seconds=seconds, rate_hz=rate_hz)
    return wave + 0.05 * np.random.default_rng(0).normal(size=wave.size).astype(np.float32)


def told(data: bytes) -> list[str]:
    damage: list[str] = []
    audio.read(data, damage=damage)
    return damage


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind.name in ("wav", "flac", "mp3", "webm", "aac")], ids=lambda k: k.name
)
def test_what_is_left_of_a_cut_off_recording_is_kept(kind: Kind) -> None:
    data = encode(tone_wave(600, 4.0, kind.rate_hz), kind)
    wave = audio.read(data[: len(data) // 2])
    assert wave.size == pytest.approx(2 * 16000, rel=0.2)
    assert dominant_hz(wave, 16000) == pytest.approx(600, abs=2)


def test_a_damaged_stretch_costs_only_itself() -> None:
    data = bytearray(encode(tone_wave(600, 4.0, 44100), MP3))
    data[10000:11000] = bytes(1000)
    wave = audio.read(bytes(data))
    assert 3 * 16000 < wave.size < 4.2 * 16000
    assert dominant_hz(wave, 16000) == pytest.approx(600, abs=2)


@pytest.mark.parametrize("kind", [*KINDS, *TELLING[-4:]], ids=lambda kind: kind.name)
def test_a_whole_file_tells_of_no_damage(kind: Kind) -> None:
    assert told(encode(noisy(2.0, kind.rate_hz), kind)) == []


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF - 36, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_wav_from_a_pipe_is_not_accused(size: int) -> None:
    whole = bytearray(wav(noisy(1.0, 16000)))
    whole[40:44] = size.to_bytes(4, "little")
    assert told(bytes(whole)) == []


def test_what_stands_around_the_sound_is_no_damage() -> None:
    whole = wav(noisy(1.0, 16000))
    assert told(whole + b"LIST" + (4).to_bytes(4, "little") + b"INFO") == []
    assert told(whole + b"left over from an older, longer file") == []
    sound = encode(noisy(2.0, 44100), MP3)
    title = b"TAG" + b"A title".ljust(125, b"\0")  # ID3v1
    cover = b"ID3\x03\0\0" + bytes([0, 1, 0, 0]) + b"\xff" * 2**14  # ID3v2: 1 x 2^14 bytes, seven bits a byte
    assert told(cover + sound + title) == []
    assert told(encode(noisy(2.0, 44100), UNTAGGED) + title) == []


def test_a_guess_is_no_declaration() -> None:
    # Two silent seconds of few bits and two loud ones of many: FFmpeg guesses the length from the first.
    wave = np.concatenate([np.zeros(88200, np.float32), np.random.default_rng(0).normal(0, 0.3, 88200)])
    data = io.BytesIO()
    soundfile.write(data, wave, 44100, format="MP3", bitrate_mode="VARIABLE", compression_level=0.3)
    whole = data.getvalue()
    first = whole.index(b"\xff\xfb")
    untagged = whole[first + frame_bytes(whole[first : first + 4]) :]
    with av.open(io.BytesIO(untagged)) as container:
        assert abs(container.duration / 1e6 - 4) > 0.5
    assert audio.describe(untagged).seconds is None
    assert told(untagged) == []
    assert audio.describe(whole).seconds == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("kind", TELLING, ids=lambda kind: kind.name)
def test_what_is_cut_off_is_told_and_the_rest_is_kept(kind: Kind, share: float) -> None:
    whole = encode(noisy(4.0, kind.rate_hz), kind)
    damage: list[str] = []
    kept = audio.read(whole[: round(share * len(whole))], damage=damage)
    assert (share - 0.3) * 64000 < len(kept) < (share + 0.2) * 64000
    assert damage


# The last frame of this AAC is all header; AIFF and Ogg pad.
@pytest.mark.parametrize(
    "kind", [kind for kind in TELLING if kind.name not in ("aac", "aiff", "opus")], ids=lambda kind: kind.name
)
def test_a_few_bytes_too_few_are_told(kind: Kind) -> None:
    whole = encode(noisy(1.0, kind.rate_hz), kind)
    assert told(whole[:-9])


def test_ogg_ends_with_a_whole_page_that_says_so() -> None:
    whole = encode(noisy(4.0, 48000), next(kind for kind in KINDS if kind.name == "opus"))
    last = whole.rindex(b"OggS")
    for cut in (last, last + 20):
        assert cut_off(io.BytesIO(whole[:cut])) == "its last page has no end mark"
    assert cut_off(io.BytesIO(whole[: last + 27])).startswith(f"the file ends after {last + 27} bytes of ")
    assert cut_off(io.BytesIO(whole[:-1])) == f"the file ends after {len(whole) - 1} bytes of {len(whole)}"
    assert cut_off(io.BytesIO(whole)) == cut_off(io.BytesIO(whole + bytes(300))) == ""


def test_a_page_of_ogg_that_was_flipped_is_told() -> None:
    whole = bytearray(encode(noisy(4.0, 48000), next(kind for kind in KINDS if kind.name == "opus")))
    whole[len(whole) // 2] ^= 16  # FFmpeg drops the whole page without an error
    assert told(bytes(whole)) == ["it declares 4.01 s, 3.00 s can be decoded"]


def box(name: bytes, content: bytes, long: bool = False) -> bytes:
    if long:
        return (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content
    return (8 + len(content)).to_bytes(4, "big") + name + content


ISO = box(b"ftyp", b"isom") + box(b"moov", bytes(20)) + box(b"mdat", bytes(30), long=True)
# EBML header; Segment of unknown size; Cluster of 5; Cluster of unknown size with a block of 3 bytes.
EBML = bytes.fromhex("1a45dfa3 80 18538067 01ffffffffffffff 1f43b675 85 0102030405 1f43b675 ff a3 83 010203")
EXTENSIBLE = b"RF64\xff\xff\xff\xffWAVEds64" + (24).to_bytes(4, "little") + bytes(8) + (50).to_bytes(8, "little")
EXTENSIBLE += bytes(8) + b"data\xff\xff\xff\xff" + bytes(50)
AVI = b"RIFF\x46\0\0\0AVI LIST\5\0\0\0hdrl\0\0LIST\x24\0\0\0movi" + bytes(32)


@pytest.mark.parametrize("whole", [ISO, EBML, EXTENSIBLE, AVI], ids=["iso", "ebml", "rf64", "avi"])
def test_files_built_byte_by_byte_end_where_they_say(whole: bytes) -> None:
    assert cut_off(io.BytesIO(whole)) == ""
    for missing in (1, 2, 3):
        assert (
            cut_off(io.BytesIO(whole[:-missing])) == f"the file ends after {len(whole) - missing} bytes of {len(whole)}"
        )


@pytest.mark.parametrize(
    "untold",
    [
        b"",
        b"OggS"[:3],
        b"Dear all,\nthis is a letter.",
        (0).to_bytes(4, "big") + b"mdat" + bytes(9),  # to the end of the file, wherever that is
        b"\x1a\x45\xdf\xa3\x80\0\0\0\0\0\0\0\0",  # what follows is no element
        b"RIFF\x09\0\0\0WAVEfmt ",
    ],
)
def test_what_says_nothing_is_not_accused(untold: bytes) -> None:
    assert cut_off(io.BytesIO(untold)) == ""


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("fffb90c4", 144 * 128000 // 44100),  # MPEG-1 layer 3, 128 kbit/s, 44.1 kHz
        ("fffb92c4", 144 * 128000 // 44100 + 1),  # with a byte of padding
        ("fff340c4", 72 * 32000 // 22050),  # MPEG-2 layer 3: half the samples
        ("ffe348c4", 72 * 32000 // 8000),  # MPEG-2.5, 8 kHz
        ("fffda004", 144 * 192000 // 44100),  # layer 2
        ("ffff4404", 12 * 128000 // 48000 * 4),  # layer 1, in words of 4 bytes
        ("fffbf0c4", 0),  # no such bit rate
        ("fffb9cc4", 0),  # no such sampling rate
        ("ffeb90c4", 0),  # no such version
        ("fff990c4", 0),  # no layer: AAC
        ("fffb90", 0),
        ("00fb90c4", 0),
    ],
)
def test_frames_of_mpeg_audio_are_as_long_as_their_headers_say(header: str, size: int) -> None:
    assert frame_bytes(bytes.fromhex(header)) == size


@pytest.mark.parametrize(("rate_hz", "codec"), [(44100, "libmp3lame"), (16000, "libmp3lame"), (44100, "mp2")])
def test_frames_of_mpeg_audio_are_as_long_as_ffmpeg_says(rate_hz: int, codec: str) -> None:
    data = encode(noisy(1.0, rate_hz), Kind("a", "mp2" if codec == "mp2" else "mp3", codec, rate_hz))
    with av.open(io.BytesIO(data)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    assert len(packets) > 20
    assert [frame_bytes(packet[:4]) for packet in packets] == [len(packet) for packet in packets]


@pytest.mark.parametrize(
    ("rate_hz", "layout"), [(44100, "mono"), (44100, "stereo"), (16000, "mono"), (16000, "stereo")]
)
def test_the_tag_of_an_mp3_tells_where_it_ends(rate_hz: int, layout: str) -> None:
    data = encode(noisy(1.0, rate_hz), replace(MP3, rate_hz=rate_hz, layout=layout))
    tag = mp3_tag(io.BytesIO(data))
    assert tag is not None and tag.end == len(data)
    assert mp3_tag(io.BytesIO(encode(noisy(1.0, rate_hz), replace(UNTAGGED, rate_hz=rate_hz, layout=layout)))) is None
    assert mp3_tag(io.BytesIO(b"no mp3")) is None


@pytest.mark.parametrize(
    "behind", [bytes(1000), bytes(100_000), bytes(range(256)) * 12], ids=["zeros", "many", "scraps"]
)
def test_what_stands_behind_the_sound_of_an_mp3_is_no_damage(behind: bytes) -> None:
    data = encode(noisy(1.0, 16000), replace(MP3, rate_hz=16000))
    damage: list[str] = []
    whole, padded = audio.read(data), audio.read(data + behind, damage=damage)
    assert damage == []
    assert np.array_equal(padded[: len(whole)], whole) and len(padded) < len(whole) + 1000  # FFmpeg keeps its filler
    audio.read(data[: len(data) // 2] + bytes(len(data) // 2), damage=damage)
    assert "cannot be decoded" in damage[0]  # zeros in place of sound are


def test_two_mp3_glued_together_are_heard_both() -> None:
    first, second = (encode(noisy(seconds, 16000), replace(MP3, rate_hz=16000)) for seconds in (1.0, 2.0))
    assert len(audio.read(first + second)) == pytest.approx(3.0 * 16000, abs=3000)


def test_the_older_tag_of_an_mp3_is_known_too() -> None:
    # Fraunhofer's VBRI: after 32 bytes of silence, version, delay, quality, then bytes and frames.
    tag = b"VBRI\0\1\0\0\0\x4b" + (1234).to_bytes(4, "big") + (10).to_bytes(4, "big")
    found = mp3_tag(io.BytesIO(b"\xff\xfb\x90\xc4" + bytes(32) + tag + bytes(400)))
    assert found is not None and found.end == 1234
