"""Changes made to training samples only. Every random draw comes from the generator passed in, so a seed repeats them."""

from recog.augment.line import HandwritingAugment, draw_motion, vary_line
from recog.augment.masking import Masking, mask
from recog.augment.sound import SpeechAugment, draw_speed, play_at, vary_sound, vary_voice

__all__ = [
    "HandwritingAugment",
    "Masking",
    "SpeechAugment",
    "draw_motion",
    "draw_speed",
    "mask",
    "play_at",
    "vary_line",
    "vary_sound",
    "vary_voice",
]
