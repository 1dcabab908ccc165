"""Bundle + decoding options -> hypotheses. The only place where network and decoder meet."""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recog import data, frontend, letter_size, phones, views
from recog.audio import SpeechFrontend
from recog.checkpoint import Bundle
from recog.ctc import consensus
from recog.ctc.decoder import Decoder
from recog.ctc.greedy import greedy, with_words
from recog.ctc.hypothesis import Hypothesis
from recog.ctc.joint import JointDecoder
from recog.ctc.multilingual import MultilingualDecoder
from recog.ctc.options import DecoderOptions
from recog.ctc.rescoring import Judge, asked
from recog.ctc.timing import DEFAULTS, Timing
from recog.errors import ConfigError, InputError
from recog.lm.hotwords import Hotword
from recog.lm.ngram import NgramModel
from recog.views import Look


@dataclass(frozen=True)
class DecodingOptions:
    """How log-probabilities become text, as far as a user chooses; the rest comes with the bundle."""

    # Prefixes kept by the beam search; 0 decodes greedily; None: as many as the bundle was tuned with.
    beam: int | None = None
    # Whether the bundle's language models have a say, where it has any.
    language: bool = True
    # Code of the language the text is in, of those that the bundle has models for; "": found with each text.
    written_in: str = ""
    # Words and phrases to be preferred.
    hotwords: tuple[Hotword, ...] = ()
    # Padded frames in a batch: memory grows with it.
    batch_frames: int = 20000
    # "cpu", "cuda", or "auto": a GPU where there is one.
    device: str = "auto"

    def __post_init__(self) -> None:
        if (self.beam or 0) < 0 or self.batch_frames < 1 or self.device not in ("auto", "cpu", "cuda"):
            raise ConfigError("decoding: beam must be >= 0, batch_frames >= 1, device 'auto', 'cpu' or 'cuda'")
        if self.beam == 0 and self.hotwords:
            raise ConfigError("decoding: hotwords need a beam search; leave out --greedy, or the hotwords")


@dataclass(frozen=True)
class Recognition:
    """The text of one sample and where its characters stand."""

    text: str
    # One span for each character of the text, in frames of the network's output; its words with their confidences.
    hypothesis: Hypothesis


class Recognizer:
    """Turns features into text; loads nothing, keeps no state between calls."""

    def __init__(self, bundle: Bundle, options: DecodingOptions | None = None) -> None:
        self.bundle, self.options = bundle, options or DecodingOptions()
        wanted = self.options.device
        if wanted == "cuda" and not torch.cuda.is_available():
            raise ConfigError("decoding.device is 'cuda', but PyTorch finds no GPU here; use 'auto' or 'cpu'")
        self.device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
        self.network = bundle.network.to(self.device).eval()
        # Looks at each sample that decide on its text.
        self.views = bundle.frontend.looks
        # Who judges what the beam proposes for letters alone; a JointDecoder asks it itself.
        self.judge: Judge | None = None
        self.decoder = None if self.options.beam == 0 else self._decoder()

    def _decoder(self) -> Decoder | MultilingualDecoder | JointDecoder:
        bundle = self.bundle
        language = bundle.language if self.options.language else None
        settings = replace(language.options if language else DecoderOptions(), hotwords=self.options.hotwords)
        self.views = self.views[: settings.looks or None]
        if self.options.beam is not None:
            settings = replace(settings, beam=self.options.beam)
        symbols = bundle.alphabet.symbols
        words, characters = (language.word_model, language.character_models) if language else (None, {})
        if self.options.written_in:
            characters = self._of_language(characters)
        lexicon = language.lexicon(symbols) if language else None
        if language is not None and language.spoken is not None and bundle.network.config.phones:
            if len(characters) > 1:
                raise ConfigError(f"bundle {bundle.name} has a head for phones; expected one character model at most")
            one = next(iter(characters.values()), None)
            return JointDecoder(
                symbols, phones.CMU_NAMES, settings, words, one, lexicon, language.spoken, language.rescorer
            )
        self.judge = asked(language.rescorer, settings) if language is not None else None
        if len(self.views) > 1 or self.judge is not None:
            settings = replace(settings, n_best=max(settings.candidates, settings.n_best))
        decoders = {code: Decoder(symbols, settings, words, one, lexicon) for code, one in characters.items()}
        if len(decoders) > 1:
            return MultilingualDecoder(decoders)
        return decoders.popitem()[1] if decoders else Decoder(symbols, settings, words, None, lexicon)

    def _of_language(self, characters: Mapping[str, NgramModel]) -> Mapping[str, NgramModel]:
        wanted, known = self.options.written_in, sorted(code for code in characters if code)
        if wanted not in known:
            raise ConfigError(
                f"bundle {self.bundle.name} has no language model for {wanted!r}; "
                + (f"it has them for {', '.join(known)}" if known else "it has none for a language of its own")
            )
        return {wanted: characters[wanted]}

    @property
    def mode(self) -> str:
        """The way of decoding, one of recog.ctc.calibration.MODES."""
        language = self.bundle.language
        models = language is not None and language.speaks
        if self.decoder is None:
            return "greedy"
        return "language" if models and self.options.language else "beam"

    @property
    def calibrated(self) -> bool:
        """Whether confidences are as often right as they say; else they are the raw posteriors."""
        return self.bundle.language is not None and self.mode in self.bundle.language.confidences

    @property
    def timing(self) -> Timing:
        """How words are placed: as the bundle was tuned, or the defaults of its kind."""
        language = self.bundle.language
        return language.timing if language and language.timing else DEFAULTS[self.bundle.kind]

    @property
    def shortening(self) -> int:
        """Steps of the features that make one output frame."""
        return int(np.prod(self.bundle.network.config.strides_time))

    @property
    def step_size(self) -> float:
        """What one output frame covers: seconds for speech, columns of the scaled line for handwriting."""
        unit = self.bundle.frontend.hop_seconds if isinstance(self.bundle.frontend, SpeechFrontend) else 1.0
        return self.shortening * unit

    def recognise(self, features: Sequence[Tensor], documents: Sequence[Hashable] | None = None) -> list[Recognition]:
        """Feature matrices (T, F) of any lengths -> a recognition of each, in the same order.

        `documents` names what each is of, such as its page: what is of one document is probably in one language, and its
        lines follow each other in the order in which they are given.
        """
        found, zooms = self.looks_fitted(features)
        recognitions = self.read(found, documents)
        return [
            recognition if scale == 1 else replace(recognition, hypothesis=_placed(recognition.hypothesis, scale))
            for recognition, scale in zip(recognitions, zooms, strict=True)
        ]

    def fitted(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[float]]:
        """Lines with their letters as large as the network is used to, as far as a first glance tells how large they are, and
        what each was scaled by. Recordings, and lines for a bundle that does not ask for it, stay as they are.
        """
        fitted, zooms, _ = self._fitted(features)
        return fitted, zooms

    def looks_fitted(self, features: Sequence[Tensor]) -> tuple[list[NDArray[np.float32]], list[float]]:
        """All looks (K, T', S) at each sample as `fitted` gives it, in order, and what each was scaled by.

        Where nothing was scaled, the glance is the first of the looks.
        """
        fitted, zooms, glances = self._fitted(features)
        again = [index for index in range(len(fitted)) if index not in glances or zooms[index] != 1]
        whole = self.looks([fitted[index] for index in again]) if again else ()
        found = {again[place]: looks for place, looks in whole}
        others = [index for index in range(len(fitted)) if index not in found]
        if others and len(self.views) > 1:
            more = self.looks([fitted[index] for index in others], self.views[1:])
            found |= {others[place]: np.concatenate([glances[others[place]], looks]) for place, looks in more}
        return [found[index] if index in found else glances[index] for index in range(len(fitted))], zooms

    def _fitted(self, features: Sequence[Tensor]) -> tuple[list[Tensor], list[float], dict[int, NDArray[np.float32]]]:
        """As `fitted`, and the glances (1, T', S) at the samples as they came, where there were any."""
        front = self.bundle.frontend
        wanted = 0.0 if isinstance(front, SpeechFrontend) else front.letter_columns
        zooms, glances = [1.0] * len(features), dict[int, NDArray[np.float32]]()
        if wanted:
            glances = dict(self.looks(features, self.views[:1]))
            for index, (glance,) in glances.items():
                letters = len(greedy(self.letters(glance)).labels)
                zooms[index] = letter_size.zoom(len(features[index]), letters, wanted)
        fitted = [letter_size.zoomed(matrix, scale) for matrix, scale in zip(features, zooms, strict=True)]
        return fitted, zooms, glances

    def read(
        self, samples: Sequence[NDArray[np.float32]], documents: Sequence[Hashable] | None = None
    ) -> list[Recognition]:
        """Log-probabilities of each sample, as `log_probs` or `looks` give them -> a recognition of each."""
        alphabet = self.bundle.alphabet
        looks = [sample[: len(self.views)] if sample.ndim == 3 else sample[None] for sample in samples]
        if self.decoder is None:
            letters = [[self.letters(look) for look in sample] for sample in looks]
            hypotheses = [with_words(consensus.agreed(sample), alphabet.symbols) for sample in letters]
        elif isinstance(self.decoder, JointDecoder):
            heads = [[(self.letters(look), look[:, len(alphabet) :]) for look in sample] for sample in looks]
            hypotheses = [best[0] for best in self.decoder.decode_many(heads)]
        else:
            letters = [[self.letters(look) for look in sample] for sample in looks]
            if isinstance(self.decoder, MultilingualDecoder):
                proposals = self.decoder.propose(letters, documents)
            else:
                proposed = iter(self.decoder.decode_many([look for sample in letters for look in sample]))
                proposals = [[next(proposed) for _ in sample] for sample in letters]
            hypotheses = consensus.elected(letters, proposals, self.judge, self.decoder.options, documents)
        if self.bundle.language is not None and self.calibrated:
            calibration = self.bundle.language.confidences[self.mode]
            hypotheses = [calibration.apply(hypothesis) for hypothesis in hypotheses]
        return [Recognition(alphabet.decode(hypothesis.labels), hypothesis) for hypothesis in hypotheses]

    def letters(self, log_probs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The columns of the alphabet, of what `log_probs` gives."""
        return log_probs[:, : len(self.bundle.alphabet)]

    @property
    def heads(self) -> tuple[int, ...]:
        """Columns of each head in what `log_probs` gives."""
        said = (1 + len(phones.CMU),) if isinstance(self.decoder, JointDecoder) else ()
        return (len(self.bundle.alphabet), *said)

    def log_probs(self, features: Sequence[Tensor]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yields (index, (T', S) natural-log probabilities), short samples first.

        Of several looks at a line that of the surest; at a recording that of the first, which has its sounds where they are.

        Each is what it were if it had come alone. Where phones are decoded too, their columns (P, blank first) stand
        right of the letters' S: (T', S + P).
        """
        for index, found in self.looks(features):
            yield index, views.surest(list(found)) if self.bundle.kind == "handwriting" else found[0]

    @torch.inference_mode()
    def looks(
        self, features: Sequence[Tensor], looks: Sequence[Look] | None = None
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """As `log_probs`, all `views` of a sample, or those given: (K, T', S). A look at it later ends with the frames of the others."""
        for matrix in features:
            if matrix.ndim != 2 or matrix.shape[1] != self.bundle.frontend.features or not len(matrix):
                raise InputError(
                    f"features of shape {tuple(matrix.shape)} came; expected (T, {self.bundle.frontend.features})"
                )
        lengths = [len(matrix) for matrix in features]
        order = sorted(range(len(features)), key=lengths.__getitem__)
        for batch in data.cut(order, lengths, self.options.batch_frames):
            wanted = self.views if looks is None else looks
            seen = [self._look([views.seen(features[index], look) for index in batch]) for look in wanted]
            for index, *found in zip(batch, *seen, strict=True):
                frames = -(-lengths[index] // self.shortening)
                yield index, np.stack([one[:frames] for one in found])

    def _look(self, features: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """One pass of a batch through the network: log-probabilities (T', S) of each sample, those of phones beside them."""
        padded = frontend.pad(features)
        output = self.network(padded.x.to(self.device), padded.lengths.to(self.device))
        heads = [output.log_probs, *([output.phones] if isinstance(self.decoder, JointDecoder) else [])]
        log_probs = torch.cat([head for head in heads if head is not None], dim=2).cpu().numpy()
        return [log_probs[row, : int(length)] for row, length in enumerate(output.lengths)]


def _placed(hypothesis: Hypothesis, scale: float) -> Hypothesis:
    """Where its labels stand in a line whose letters were so many times smaller than those that were read."""
    spans = [replace(one, start=int(one.start / scale), end=math.ceil(one.end / scale)) for one in hypothesis.spans]
    return replace(hypothesis, spans=tuple(spans))
