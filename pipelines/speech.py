"""A recording -> its transcript."""

from pathlib import Path

from pipelines.transcript import SpeechTranscript, SpokenWord, words_of
from recog import audio, checkpoint
from recog.activity import loudness
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.errors import ConfigError
from recog.recognizer import DecodingOptions, Recognizer

# Longer recordings are cut at their quietest places: the network was trained on utterances, not on hours.
LONGEST_SECONDS = 24.0


class SpeechPipeline:
    """Reads a recording, cuts it at pauses, recognises the pieces together. Load once, call often."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        if not isinstance(bundle.frontend, SpeechFrontend):
            raise ConfigError(f"bundle {bundle.name} reads {bundle.kind}; a speech pipeline needs a speech bundle")
        self.frontend = bundle.frontend
        self.recognizer = Recognizer(bundle, options)

    @classmethod
    def load(cls, name_or_path: str | Path = "speech-en", options: DecodingOptions | None = None) -> "SpeechPipeline":
        """The pipeline of a bundle, by the name of one that comes with recog or by its folder."""
        return cls(checkpoint.load(name_or_path), options)

    def __call__(self, source: str | Path | bytes) -> SpeechTranscript:
        """A file or its bytes, in any format FFmpeg reads -> transcript. Silence gives an empty one."""
        rate_hz = self.frontend.rate_hz
        waveform = audio.read(source, rate_hz)
        pieces = audio.cut_at_pauses(waveform, rate_hz, LONGEST_SECONDS)
        spoken = [piece for piece in pieces if not audio.is_silent(waveform[piece])]
        recognitions = self.recognizer.recognise([audio.features(waveform[piece], self.frontend) for piece in spoken])
        words: list[SpokenWord] = []
        for piece, recognition in zip(spoken, recognitions, strict=True):
            activity = loudness(waveform[piece], self.frontend)
            for word in words_of(recognition, activity, self.recognizer.shortening, self.recognizer.timing):
                start, end = (
                    min((piece.start / rate_hz) + step * self.frontend.hop_seconds, piece.stop / rate_hz)
                    for step in (word.start, word.end)
                )
                words.append(SpokenWord(word.text, round(start, 3), round(end, 3), word.confidence))
        return SpeechTranscript(
            " ".join(word.text for word in words),
            tuple(words),
            round(len(waveform) / rate_hz, 3),
            self.recognizer.calibrated,
        )
