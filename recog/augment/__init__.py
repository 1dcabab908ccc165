"""Changes made to training samples only. Every random draw comes from the generator passed in, so a seed repeats them."""

from recog.augment.line import HandwritingAugment, vary_line
from recog.augment.masking import Masking, mask
from recog.augment.sound import SpeechAugment, vary_voice

__all__ = ["HandwritingAugment", "Masking", "SpeechAugment", "mask", "vary_line", "vary_voice"]
