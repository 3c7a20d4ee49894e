"""Pictures from outside: what comes through, and what is refused (faults 27 to 30)."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vae.arrivals import MOST_BYTES, Layout, fit_frame, ink_box, layout_of, read_picture
from vae.errors import DataError

DIGIT = Layout(extent=0.7, row=0.5, column=0.5, dark=True)


def encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def ramp(mode: str = "L") -> Image.Image:
    """0 on the left to 255 on the right, 8 high and 16 wide."""
    return Image.fromarray(np.tile(np.linspace(0, 255, 16).round().astype(np.uint8), (8, 1))).convert(mode)


EXPECTED = np.tile(np.linspace(0, 1, 16), (8, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_every_kind_of_png_gives_its_grey_levels(mode: str) -> None:
    values = read_picture(encoded(ramp(mode)), 1)
    assert values.shape == (8, 16, 1)
    if mode == "1":
        assert set(np.unique(values)) == {0.0, 1.0}
    else:
        np.testing.assert_allclose(values[:, :, 0], EXPECTED, atol=0.01)


def test_jpegs_also_in_the_colours_of_print() -> None:
    for mode in ("L", "RGB", "CMYK"):
        np.testing.assert_allclose(
            read_picture(encoded(ramp(mode), "JPEG", quality=95), 1)[:, :, 0], EXPECTED, atol=0.05
        )
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    np.testing.assert_allclose(read_picture(encoded(red), 3)[0, 0], [1, 0, 0])
    assert read_picture(encoded(red), 1)[0, 0, 0] == pytest.approx(0.299, abs=0.01)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    image = Image.fromarray((EXPECTED * 65535).astype(np.uint16))
    np.testing.assert_allclose(read_picture(encoded(image), 1)[:, :, 0], EXPECTED, atol=0.01)


def test_alpha_lies_over_black_rotation_is_applied_the_first_of_several_counts() -> None:
    white = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
    assert read_picture(encoded(white), 1).max() == 0
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert read_picture(encoded(ramp(), "JPEG", exif=exif), 1).shape == (16, 8, 1)
    several = encoded(Image.new("L", (4, 4), 255), save_all=True, append_images=[Image.new("L", (4, 4), 0)])
    assert read_picture(several, 1).min() == 1
    assert read_picture(encoded(Image.new("L", (1, 1), 51)), 3).tolist() == [[[pytest.approx(0.2)] * 3]]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def damaged() -> dict[str, tuple[bytes, str]]:
    whole = encoded(ramp())
    flipped = bytearray(whole)
    flipped[whole.index(b"IDAT") + 6] ^= 0xFF
    return {
        "empty": (b"", "empty"),
        "too large": (b"\0" * (MOST_BYTES + 1), "at most 4 MB"),
        "text": (b"hello", "not a PNG or a JPEG"),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a PNG or a JPEG"),
        "gif": (encoded(ramp(), "GIF"), "not a PNG or a JPEG"),
        "cut off": (whole[: len(whole) - 30], "cannot be read"),
        "broken checksum": (bytes(flipped), "cannot be read"),
        "bomb": (bomb(20_000, 20_000), "too many"),
        "huge bomb": (bomb(2**31 - 1, 2**31 - 1), "too many"),
    }


@pytest.mark.parametrize("case", sorted(damaged()))
def test_what_is_no_picture_is_refused_in_a_sentence(case: str) -> None:
    data, words = damaged()[case]
    with pytest.raises(DataError, match=words):
        read_picture(data, 1)


def drawing(top: int, left: int, height: int, width: int, size: int = 200) -> np.ndarray:
    canvas = np.zeros((size, size, 1), np.float32)
    canvas[top : top + height, left : left + width] = 1
    return canvas


@pytest.mark.parametrize("place", [(10, 10, 100, 40), (90, 150, 100, 40), (60, 80, 20, 8)])
def test_a_drawing_gets_the_datas_size_and_place(place: tuple[int, int, int, int]) -> None:
    seen = fit_frame(drawing(*place), 28, 28, DIGIT, drawn=True)
    box = ink_box(seen[:, :, 0])
    assert box is not None
    top, bottom, left, right = box
    assert bottom - top == pytest.approx(0.7 * 28, abs=1.1)
    assert (right - left) / (bottom - top) == pytest.approx(0.4, abs=0.08)
    assert abs((top + bottom) / 2 - 14) <= 1
    assert abs((left + right) / 2 - 14) <= 1


def test_a_photograph_is_fitted_in_whole() -> None:
    wide = np.full((50, 100, 3), 0.9, np.float32)
    wide[:, :50] = 0.1
    seen = fit_frame(wide, 28, 28, Layout(1, 0.5, 0.5, dark=True), drawn=False)
    assert seen.shape == (28, 28, 3)
    rows = np.flatnonzero((seen[:, :, 0] > 0.05).any(1))
    assert (rows[0], rows[-1]) == (7, 20)


def test_dark_on_bright_is_inverted_for_data_that_are_bright_on_dark() -> None:
    page = 1 - drawing(50, 80, 100, 40)
    np.testing.assert_allclose(
        fit_frame(page, 28, 28, DIGIT, True), fit_frame(1 - page, 28, 28, DIGIT, True), atol=1e-6
    )
    bright = Layout(0.7, 0.5, 0.5, dark=False)
    seen = fit_frame(1 - page, 28, 28, bright, True)
    assert seen[0, 0, 0] == 1
    assert seen.min() < 0.05


def test_an_empty_drawing_is_an_empty_frame() -> None:
    assert fit_frame(np.zeros((9, 9, 1), np.float32), 28, 28, DIGIT, True).max() == 0


def test_the_layout_is_that_of_the_images() -> None:
    images = np.zeros((5, 1, 28, 28), np.uint8)
    images[:, :, 4:24, 10:18] = 255
    assert layout_of(images) == Layout(20 / 28, 0.5, 0.5, True)
    assert layout_of(255 - images) == Layout(20 / 28, 0.5, 0.5, False)
    assert layout_of(images * 0) == Layout(1.0, 0.5, 0.5, True)
