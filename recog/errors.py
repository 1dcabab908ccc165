"""The errors a user can cause, each told in one sentence: what came, what was expected, where, what to do."""


class RecogError(Exception):
    """Parent of every error that recog raises on purpose; its text is fit to be shown to a user."""


class InputError(RecogError):
    """A recording or image that cannot be read, or that breaks a limit."""


class ManifestError(RecogError):
    """A manifest row that is malformed; the text names file and line."""


class AlphabetError(RecogError):
    """A text that holds a symbol outside the alphabet, or an alphabet that breaks its laws."""


class ConfigError(RecogError):
    """A setting that is unknown, of the wrong type, or in contradiction to another."""


class CheckpointError(RecogError):
    """A bundle or training state that is missing, damaged, or written by a newer version."""


class TrainingError(RecogError):
    """A training run that cannot go on: no usable rows, or gradients that stay non-finite."""


class LanguageModelError(RecogError):
    """A language model that is damaged, cannot be trained from this text, or does not fit its use."""
