"""How the user of the page wants recordings to be read."""

from dataclasses import dataclass, replace

from pipelines.speech import Listening, SpeechPipeline
from recog import text
from recog.errors import ConfigError
from recog.lm.hotwords import Hotword

CAREFUL, LETTERS, QUICK = "careful", "letters", "quick"
READINGS = [
    ("Carefully: weighs many texts, and knows which words are usual", CAREFUL),
    ("By sound alone: weighs many texts, for names and rare words", LETTERS),
    ("Quickly: takes the likeliest letter at every moment", QUICK),
]


@dataclass(frozen=True)
class Choices:
    """How the user wants recordings to be read."""

    reading: str = CAREFUL
    # How many texts are weighed; 0: as many as the bundle was tuned with.
    beam: int = 0
    # Phrases, one a line or with commas between.
    hotwords: str = ""
    by_channel: bool = False
    # Text as people write it, where the bundle can; False: words as they are said.
    written: bool = True

    def pipeline(self, usual: SpeechPipeline) -> SpeechPipeline:
        """The pipeline for these choices; the usual one where they are the usual ones."""
        bundle = usual.recognizer.bundle
        rule = text.rule(bundle.text_rule)
        phrases = [rule(phrase) for line in self.hotwords.splitlines() for phrase in line.split(",")]
        hotwords = tuple(Hotword(phrase) for phrase in phrases if phrase.strip())
        if self.reading == QUICK and hotwords:
            raise ConfigError("words to listen for need a search; choose another way of reading, or leave them out")
        options = replace(
            usual.recognizer.options,
            beam=0 if self.reading == QUICK else self.beam or usual.recognizer.options.beam,
            language=usual.recognizer.options.language and self.reading == CAREFUL,
            hotwords=hotwords or usual.recognizer.options.hotwords,
        )
        listening = replace(
            usual.listening, by_channel=self.by_channel, written=self.written and usual.listening.written
        )
        if (options, listening) == (usual.recognizer.options, usual.listening):
            return usual
        if options == usual.recognizer.options:
            return _listening(usual, listening)
        return SpeechPipeline(bundle, options, listening)


def _listening(usual: SpeechPipeline, listening: Listening) -> SpeechPipeline:
    """The same pipeline that listens in another way; its decoder, which takes seconds to make, is shared."""
    other = SpeechPipeline(usual.recognizer.bundle, replace(usual.recognizer.options, beam=0, hotwords=()), listening)
    other.recognizer = usual.recognizer
    return other
