"""The settings of a decoder."""

import math
from dataclasses import dataclass

from recog.errors import ConfigError
from recog.lm.hotwords import Hotword


@dataclass(frozen=True)
class Favour:
    """Nats that a language gains by its code."""

    code: str
    nats: float = 0.0


@dataclass(frozen=True)
class DecoderOptions:
    """How log-probabilities become text. Scores are natural logs ("nats"); the defaults suit a trained network.

    score = acoustic + alpha * word model + gamma * character model + beta * words + delta * characters + unknown words
    + hot phrases.
    """

    # Prefixes kept after each frame.
    beam: int = 100
    # A symbol whose log-probability in a frame is below this extends nothing there; -inf: all do.
    cut: float = -9.0
    # Prefixes that are this far below the frame's best are dropped; inf: none.
    width: float = 14.0
    # With a lexicon or model: of prefixes with the same future only the likeliest is extended, the others still appear
    # among the n best. False makes a wide beam exact, and a narrow one worse.
    merge: bool = True
    # Hypotheses returned, best first.
    n_best: int = 1
    # Weight of the word model, and reward for each word against the models' liking for few.
    alpha: float = 0.8
    beta: float = 1.0
    # Weight of the character model, and reward for each character against its liking for few, where it counts everywhere.
    gamma: float = 0.5
    delta: float = 0.0
    # With a word model: the character model counts only in words outside the lexicon, instead of everywhere.
    spell_unknown_only: bool = False
    # With a lexicon: price of a word outside it, and of each of its letters; -50 to 0.
    unknown: float = -4.0
    letter: float = -1.0
    # Whether a text begins with <s> and ends with </s>; False for pieces of sentences.
    sentences: bool = True
    # Phrases to be preferred.
    hotwords: tuple[Hotword, ...] = ()
    # With a second head for phones and a lexicon of pronunciations (recog.ctc.joint): the share of phones in the score of
    # a text, 0 to 1, and the texts that each head proposes.
    phones: float = 0.5
    candidates: int = 20
    # With a model for each of several languages (recog.ctc.multilingual): what a language is favoured by.
    languages: tuple[Favour, ...] = ()
    # Looks at a sample (`frontend.looks`) that the search is made in, from the first on; 0: in all of them. A search takes
    # more time than the network does, which greedy decoding may ask for more looks.
    looks: int = 0
    # With a rescorer (recog.ctc.rescoring): its weight, what is left of the other models' where it judges, and how many
    # texts, the best so far, it is asked about.
    recurrent: float = 0.0
    kept: float = 1.0
    judged: int = 12
    # Lines before each on its page that the rescorer is read into, as they were found without it; 0: every line begins anew.
    preceding: int = 0
    # Exponent of what speaks against a word, fitted so that confidences are right as often as they say; 1: as found.
    doubt: float = 1.0
    # Threads of `decode_many`; 0: one for each core.
    threads: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("beam", 1),
            ("n_best", 1),
            ("candidates", 1),
            ("judged", 1),
            ("preceding", 0),
            ("looks", 0),
            ("threads", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"decoder.{name} is {getattr(self, name)}; it must be {least} or more")
        if not self.cut < 0 or not self.width > 0:
            raise ConfigError(
                f"decoder.cut is {self.cut} and decoder.width {self.width}; cut must be below 0 and width above"
            )
        for name in ("alpha", "gamma", "recurrent", "kept", "doubt"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"decoder.{name} is {getattr(self, name)}; it must be 0 or more")
        for name in ("unknown", "letter"):
            if not -50 <= getattr(self, name) <= 0:
                raise ConfigError(
                    f"decoder.{name} is {getattr(self, name)}; a price lies between -50 and 0: no word is impossible"
                )
        if not all(math.isfinite(one.nats) for one in self.languages):
            raise ConfigError("decoder.languages: expected a finite number of nats for each")
        if not 0 <= self.phones <= 1:
            raise ConfigError(f"decoder.phones is {self.phones}; a share lies between 0 and 1")
        for name in ("beta", "delta"):
            if not math.isfinite(getattr(self, name)):
                raise ConfigError(f"decoder.{name} is {getattr(self, name)}; it must be finite")
