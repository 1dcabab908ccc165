import io
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_line
from PIL import Image

from recog import image
from recog.errors import ConfigError, InputError
from recog.image import HandwritingFrontend

FRONTEND = HandwritingFrontend(height_px=32)
# Left half black, right half white, a grey bar at the bottom: no two ways up look alike.
CHART = np.full((40, 60), 255, np.uint8)
CHART[:, :30], CHART[30:] = 0, 120


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def difference(picture: Image.Image, expected: np.ndarray) -> float:
    """The greatest distance in grey values."""
    assert picture.mode == "L"
    assert picture.size == expected.shape[::-1]
    return float(np.abs(np.asarray(picture, float) - expected).max())


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("png", {}, 0),
        ("bmp", {}, 0),
        ("tiff", {}, 0),
        ("tiff", {"compression": "tiff_lzw"}, 0),
        ("webp", {"lossless": True}, 1),
        ("gif", {}, 0),
        ("jpeg", {"quality": 95}, 30),
    ],
)
def test_kinds_of_file(tmp_path: Path, kind: str, options: dict[str, object], tolerance: float) -> None:
    data = encoded(Image.fromarray(CHART), kind, **options)
    assert difference(image.read(data), CHART) <= tolerance
    (tmp_path / "no-suffix").write_bytes(data)
    assert difference(image.read(tmp_path / "no-suffix"), CHART) <= tolerance
    assert difference(image.read(str(tmp_path / "no-suffix")), CHART) <= tolerance


@pytest.mark.parametrize("size", [(1, 1), (10000, 3), (3, 10000)])
def test_pictures_of_extreme_sizes_are_read(size: tuple[int, int]) -> None:
    for kind in ("png", "bmp", "tiff"):
        assert difference(image.read(encoded(Image.new("L", size, 77), kind)), np.full(size[::-1], 77)) == 0


@pytest.mark.parametrize("mode", ["RGB", "P", "CMYK", "RGBA", "LA", "1"])
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_colour_modes(mode: str, kind: str) -> None:
    if (mode, kind) == ("CMYK", "png"):
        mode = "RGB"  # PNG has no CMYK
    chart = np.where(CHART == 120, 255, CHART).astype(np.uint8) if mode == "1" else CHART
    data = encoded(Image.fromarray(chart).convert("RGB" if mode == "CMYK" else "L").convert(mode), kind)
    assert difference(image.read(data), chart) <= 2


def test_colours_weigh_as_the_eye_does() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 0, 128]]], np.uint8)
    read = image.read(encoded(Image.fromarray(colours), "png"))
    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B
    assert difference(read, np.array([[76.2, 149.7, 29.1, 14.6]])) <= 1


def test_cmyk_jpeg() -> None:
    read = image.read(encoded(Image.fromarray(CHART).convert("RGB").convert("CMYK"), "jpeg", quality=95))
    assert difference(read, CHART) <= 30


def test_lightness_is_the_grey_of_a_lab_picture() -> None:
    lab = Image.merge("LAB", [Image.fromarray(CHART), *(Image.new("L", CHART.shape[::-1], 90) for _ in range(2))])
    assert difference(image.read(encoded(lab, "tiff")), CHART) == 0


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits(kind: str) -> None:
    deep = Image.fromarray(CHART.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert difference(image.read(encoded(deep, kind)), CHART) <= 1


def test_a_dark_page_of_sixteen_bits_stays_dark() -> None:
    # All values lie below 256: once this was taken for 8 bits, and black turned white.
    page = Image.fromarray(np.full((4, 4), 250, np.uint16))
    assert difference(image.read(encoded(page, "png")), np.ones((4, 4))) <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 1e6])
def test_float_pixels_are_scaled_from_the_range_they_fit(top: float) -> None:
    page = Image.fromarray((CHART / 255 * top).astype(np.float32))
    assert difference(image.read(encoded(page, "tiff")), CHART) <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_shows_white(mode: str) -> None:
    alpha = np.full((4, 6), 255, np.uint8)
    alpha[:, :3] = 0  # black ink that is not there
    alpha[3] = 128
    picture = Image.fromarray(np.zeros((4, 6), np.uint8)).convert(mode)
    picture.putalpha(Image.fromarray(alpha))
    expected = 255.0 - alpha
    assert difference(image.read(encoded(picture, "png")), expected) <= 1


def test_a_transparent_palette_colour_shows_white() -> None:
    picture = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).convert("P")
    picture.putpalette([0, 0, 0, 90, 90, 90])
    read = image.read(encoded(picture, "png", transparency=0))
    assert difference(read, np.array([[255, 90], [90, 255]])) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path: Path, orientation: int) -> None:
    # How the camera stores the upright chart under each tag (EXIF 2.3, 4.6.4 A).
    stored = {
        1: CHART,
        2: CHART[:, ::-1],
        3: CHART[::-1, ::-1],
        4: CHART[::-1],
        5: CHART.T,
        6: np.rot90(CHART),
        7: CHART[::-1, ::-1].T,
        8: np.rot90(CHART, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.png"
    path.write_bytes(encoded(Image.fromarray(np.ascontiguousarray(stored)), "png", exif=exif))
    assert difference(image.read(path), CHART) == 0
    assert image.upright_size(path) == (60, 40)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"not an image at all, only words", "is not an image of a known kind"),
        (bytes(range(256)) * 4, "is not an image of a known kind"),
        (b"%PDF-1.4 ...", "is not an image of a known kind"),
        (encoded(Image.fromarray(CHART), "png")[:60], "is damaged or cut off|is not an image"),
        (encoded(Image.fromarray(np.tile(CHART, (5, 5))), "jpeg")[:900], "is damaged or cut off"),
        (encoded(Image.fromarray(CHART), "tiff")[:-1300], "is damaged or cut off|is not an image"),
        (encoded(Image.fromarray(CHART), "bmp")[:100], "is damaged or cut off|is not an image"),
    ],
    ids=["empty", "words", "garbage", "pdf", "cut png", "cut jpeg", "cut tiff", "cut bmp"],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    for source, name in ((data, "the uploaded data"), (path, str(path))):
        with pytest.raises(InputError, match=sentence) as caught:
            image.read(source)
        assert str(caught.value).startswith(name)
        assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.png"):
        with pytest.raises(InputError, match="does not exist or is not a file"):
            image.read(path)
    with pytest.raises(InputError, match="cannot be opened as an image"):
        image.upright_size(tmp_path / "none.png")


def test_formats_that_run_programs_are_not_tried() -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(InputError, match="not an image of a known kind"):
        image.read(eps)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    data = encoded(Image.fromarray(np.zeros((1000, 2000), np.uint8)), "png")
    with pytest.raises(InputError, match=r"has 2000 x 1000 pixels; make it smaller than 1\.5 megapixels, the limit$"):
        image.read(data, limit_megapixels=1.5)
    cut_off = data[:60]  # the header alone: it would be refused as damaged if it were decoded
    with pytest.raises(InputError, match="2000 x 1000 pixels"):
        image.read(cut_off, limit_megapixels=1.5)


def test_a_decompression_bomb_is_refused_by_its_size() -> None:
    small = bytearray(encoded(Image.new("L", (8, 8)), "bmp"))
    small[18:26] = (60000).to_bytes(4, "little") * 2
    with pytest.raises(InputError, match=r"too many pixels; make it smaller than 150 megapixels, the limit$"):
        image.read(bytes(small))


@pytest.mark.parametrize(
    ("size", "width"), [((1, 1), 32), ((100, 50), 64), ((50, 100), 16), ((1, 10000), 1), ((10000, 100), 3200)]
)
def test_fit_height_keeps_the_shape(size: tuple[int, int], width: int) -> None:
    fitted = image.fit_height(Image.new("L", size, 200), FRONTEND)
    assert fitted.size == (width, 32)
    assert image.features(fitted, FRONTEND).shape == (width, 32)


def test_a_picture_too_long_for_a_line_is_refused() -> None:
    with pytest.raises(InputError, match=r"10000 x 1 pixels is too long .* 187 times as wide as high"):
        image.fit_height(Image.new("L", (10000, 1)), FRONTEND)


def test_columns_run_along_the_line_from_the_top() -> None:
    line = np.full((32, 100), 240, np.uint8)
    line[4:8, 70:80] = 20
    columns = image.features(Image.fromarray(line), FRONTEND)
    expected = np.zeros((100, 32))
    expected[70:80, 4:8] = 1
    assert np.abs(columns.numpy() - expected).max() < 1e-6


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (60, 200), (100, 180), (120, 255), (0, 100)])
def test_contrast_is_normalised(ink: int, paper: int) -> None:
    reference = image.features(image.fit_height(draw_line("Hello there", ink=20, paper=240), FRONTEND), FRONTEND)
    other = image.features(image.fit_height(draw_line("Hello there", ink=ink, paper=paper), FRONTEND), FRONTEND)
    assert (reference - other).abs().max() < 0.05


@pytest.mark.parametrize("paper", [0, 128, 255])
def test_a_blank_line_is_blank(paper: int) -> None:
    assert image.features(Image.new("L", (90, 32), paper), FRONTEND).abs().max() == 0


def test_faint_noise_is_not_blown_up_to_ink() -> None:
    noise = np.random.default_rng(0).normal(230, 2, (32, 200))
    columns = image.features(Image.fromarray(noise.astype(np.uint8)), FRONTEND)
    assert columns.abs().max() < 0.5


def test_a_line_of_another_height_is_refused() -> None:
    with pytest.raises(InputError, match=r"a line of 40 px came; the frontend expects 32 px"):
        image.features(Image.new("L", (90, 40)), FRONTEND)


@pytest.mark.parametrize("settings", [{"height_px": 7}, {"height_px": 64, "limit_width_px": 63}])
def test_wrong_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="height_px must be at least 8"):
        HandwritingFrontend(**settings)


@pytest.mark.parametrize("seed", range(6))
def test_percentiles_are_those_of_numpy(seed: int) -> None:
    random = np.random.default_rng(seed)
    # Few values far apart, so that most percentiles lie between two of them; and a picture of one pixel.
    values = random.choice([3, 90, 91, 200, 255], (1, 1) if seed == 5 else random.integers(1, 9, 2)).astype(np.uint8)
    wanted = [0, 0.1, 1, 33, 50, 70, 99, 100]
    found = image.percentiles(Image.fromarray(values), *wanted)
    assert found == pytest.approx(np.percentile(values, wanted).tolist(), abs=1e-9)
