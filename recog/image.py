"""Pages and lines: any image file or bytes -> grey picture -> one line as pixel columns (T, F)."""

import importlib.util
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from recog import archive
from recog.errors import ConfigError, InputError
from recog.views import Look


@dataclass(frozen=True)
class HandwritingFrontend:
    """How the picture of a line becomes features: T = its width in columns, F = `height_px` rows from the top."""

    # Height that every line is scaled to; width follows, so letters keep their shape.
    height_px: int = 48
    # A line wider than this after scaling is refused: it is no line of writing.
    limit_width_px: int = 6000
    # In use a line is looked at once for each, sheared by so many columns a row, and all looks decide on its text
    # (recog.ctc.consensus): writing that leans to the right is set upright by slopes below 0. In training 0 alone.
    slopes: tuple[float, ...] = (0.0,)
    # By so many columns the line stands further right in each of these looks: (0,) in all, or one for each slope.
    shifts: tuple[int, ...] = (0,)
    # Columns that a letter takes on average in the lines a network is used to: others are brought to that (recog.letter_size).
    # 0: lines stay as they are cut.
    letter_columns: float = 0.0

    def __post_init__(self) -> None:
        if len(self.shifts) not in (1, len(self.slopes)) or not all(0 <= shift <= 100 for shift in self.shifts):
            raise ConfigError("frontend: shifts must be one number of columns from 0 to 100, or one for each slope")
        if not self.slopes or not all(-2 <= slope <= 2 for slope in self.slopes):
            raise ConfigError("frontend: slopes must be one or more numbers from -2 to 2")
        if self.letter_columns and not 4 <= self.letter_columns <= self.height_px:
            raise ConfigError("frontend.letter_columns must be 0, or from 4 to height_px")
        if self.height_px < 8 or self.limit_width_px < self.height_px:
            raise ConfigError("frontend: height_px must be at least 8 and limit_width_px at least height_px")

    @property
    def looks(self) -> tuple[Look, ...]:
        """How a line is looked at."""
        shifts = self.shifts if len(self.shifts) > 1 else self.shifts * len(self.slopes)
        return tuple(Look(slope, shift) for slope, shift in zip(self.slopes, shifts, strict=True))

    @property
    def features(self) -> int:
        """F, the width of a feature vector."""
        return self.height_px


# What a HEIF file calls itself after "ftyp": a photograph of a telephone, as a single picture or a sequence.
HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))


def read(source: str | Path | bytes | Image.Image, limit_megapixels: float = 150.0) -> Image.Image:
    """The picture as 8-bit grey (mode "L"), upright by its EXIF tag, transparency over white.

    Takes png, jpg, webp, tiff, bmp in any colour mode and depth, HEIC where pillow-heif is installed, and a picture that
    is open already. Refuses anything else, and anything above the limit before its pixels are decoded.
    """
    if isinstance(source, Image.Image):
        with refusals("the picture", limit_megapixels):
            return grey(upright(source, "the picture", limit_megapixels))
    name = "the uploaded data" if isinstance(source, bytes) else str(source)
    source = archive.resolve(source)
    if isinstance(source, bytes) and not source:
        raise InputError(f"{name} is empty (0 bytes); expected an image")
    if not isinstance(source, bytes):
        if not Path(source).is_file():
            raise InputError(f"{name} does not exist or is not a file")
        if Path(source).stat().st_size == 0:
            raise InputError(f"{name} is empty (0 bytes); expected an image")
    with refusals(name, limit_megapixels), opened(source, name) as picture:
        return grey(upright(picture, name, limit_megapixels))


@contextmanager
def refusals(name: str, limit_megapixels: float) -> Iterator[None]:
    """What Pillow raises inside becomes an InputError about the picture called `name`; its warnings are dropped."""
    try:
        with warnings.catch_warnings():  # about metadata that is cut off: the pixels decide
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not an image of a known kind (png, jpg, webp, tiff, bmp)") from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, 179 megapixels, stands before ours
        raise InputError(
            f"{name} has too many pixels; make it smaller than {limit_megapixels:g} megapixels, the limit"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{name} is damaged or cut off and cannot be decoded ({error})") from error


def upright(picture: Image.Image, name: str, limit_megapixels: float) -> Image.Image:
    """The decoded picture turned as its EXIF tag says, in its own colours; refused above the limit before it is decoded."""
    width, height = picture.size
    if width * height > limit_megapixels * 1e6:
        raise InputError(
            f"{name} has {width} x {height} pixels; make it smaller than {limit_megapixels:g} megapixels, the limit"
        )
    picture.load()
    return ImageOps.exif_transpose(picture)


def opened(source: str | Path | bytes, name: str) -> Image.Image:
    """The picture with nothing but its header read. Refuses HEIC, with the line that mends it, without pillow-heif."""
    Image.init()  # registers every reader; only the ones named here are let near untrusted bytes
    formats = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"]
    if _is_heic(source):
        if importlib.util.find_spec("pillow_heif") is None:
            raise InputError(
                f"{name} is a HEIC picture, which needs pillow-heif; pip install 'recog[heic]', or save it as jpg"
            )
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        formats = ["HEIF"]
    with warnings.catch_warnings():  # Pillow warns from 89 megapixels on; our limit decides
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats)


def _is_heic(source: str | Path | bytes) -> bool:
    if isinstance(source, bytes):
        start = source[:12]
    else:
        with Path(source).open("rb") as file:
            start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:] in HEIC_BRANDS


def grey(picture: Image.Image) -> Image.Image:
    """Any mode -> "L": alpha laid over white, 16-bit scaled from 0..65535, float and 32-bit from the range they fit."""
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        most = values.max(initial=0)
        ranges = (65535.0,) if picture.mode.startswith("I;16") else (1.0, 255.0, 65535.0)
        top = next((top for top in ranges if most <= top), most)
        return Image.fromarray(np.clip(np.round(values * (255.0 / top)), 0, 255).astype(np.uint8), "L")
    if picture.mode == "LAB":
        return picture.getchannel("L")  # lightness is a grey of its own; Pillow converts no LAB
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("L")
    return picture.convert("L")


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels that `read` would give, from the header alone."""
    try:
        with opened(archive.resolve(path), str(path)) as picture:
            width, height = picture.size
            turned = picture.getexif().get(ExifTags.Base.Orientation, 1) >= 5
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be opened as an image ({error})") from error
    return (height, width) if turned else (width, height)


def fit_height(line: Image.Image, frontend: HandwritingFrontend) -> Image.Image:
    """The line scaled to `height_px`, aspect ratio kept, at least one column wide."""
    width = max(1, round(line.width * frontend.height_px / line.height))
    if width > frontend.limit_width_px:
        raise InputError(
            f"a picture of {line.width} x {line.height} pixels is too long for its height to be a line of writing; "
            f"the limit is {frontend.limit_width_px // frontend.height_px} times as wide as high"
        )
    return line.resize((width, frontend.height_px), Image.Resampling.BILINEAR, reducing_gap=3.0)


def features(line: Image.Image, frontend: HandwritingFrontend) -> Tensor:
    """A grey line of height `height_px` -> (T = width, F = height) float32, paper at 0, ink at 1.

    Contrast is normalised by percentiles: paper is the 70th (most of a line is paper), ink the 1st. A picture almost
    without contrast is not blown up.
    """
    if line.height != frontend.height_px:
        raise InputError(f"a line of {line.height} px came; the frontend expects {frontend.height_px} px (fit_height)")
    values = np.asarray(line, dtype=np.float32)
    ink, paper = percentiles(line, 1, 70)
    columns = np.clip((paper - values) / max(paper - ink, 32.0), -0.5, 1.5)
    return torch.from_numpy(np.ascontiguousarray(columns.T, dtype=np.float32))


def percentiles(line: Image.Image, *wanted: float) -> list[float]:
    """`np.percentile` of a grey picture's values, from their histogram: the same at a tenth of the time."""
    below = np.cumsum(line.histogram())
    found = []
    for percent in wanted:
        place, between = divmod(percent / 100 * (int(below[-1]) - 1), 1)
        low, high = np.searchsorted(below, [place, place + (between > 0)], side="right").tolist()
        found.append(low + (high - low) * between)
    return found
