"""Pictures from outside: what comes through, and what is refused (faults 27 to 30)."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from vae.datasets.pictures import MOST_BYTES, Layout, fit_frame, ink_box, layout_of, picture_and_note, read_picture
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


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_fewer_bits_in_sixteen_are_scaled_by_what_is_used_and_it_is_said(bits: int) -> None:
    most = 2**bits - 1
    values, note = picture_and_note(encoded(Image.fromarray((EXPECTED * most).astype(np.uint16))), 1)
    np.testing.assert_allclose(values[:, :, 0], EXPECTED, atol=0.01)
    assert note == f"Its 16 bits hold {bits}-bit values: white is {most:,}."
    dim, note = picture_and_note(encoded(Image.fromarray((EXPECTED * 40_000).astype(np.uint16))), 1)
    np.testing.assert_allclose(dim[:, :, 0], EXPECTED * 40_000 / 65_535, atol=0.01)  # dark, but of 16 bits
    assert note == ""


def sixteen_bit_colour(levels: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write; levels (height, width, 3), 0..65,535."""
    height, width, _ = levels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return png(width, height, 16, 2, zlib.compress(rows))


def test_colours_of_sixteen_bits_too() -> None:
    levels = np.repeat(EXPECTED[:, :, None], 3, 2)
    for bits in (12, 16):
        values, note = picture_and_note(sixteen_bit_colour((levels * (2**bits - 1)).astype(np.uint16)), 3)
        np.testing.assert_allclose(values, levels, atol=0.05)  # four bits are left of 12
        assert ("12-bit" in note) == (bits == 12)


def ring(mode: str, ground: object, ink: object) -> Image.Image:
    image = Image.new(mode, (160, 160), ground)  # type: ignore[arg-type]
    ImageDraw.Draw(image).ellipse((50, 30, 110, 130), outline=ink, width=16)  # type: ignore[arg-type]
    return image


@pytest.mark.parametrize(("ink", "ground"), [("black", "white"), ("white", "black"), ("navy", "white")])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_ink_on_a_transparent_ground_is_seen_as_on_the_opposite_one(ink: str, ground: str, mode: str) -> None:
    clear = ring("RGBA", (0, 0, 0, 0), ink)
    given = encoded(clear.convert(mode) if mode != "P" else clear.quantize(4))
    expected = read_picture(encoded(ring("RGB", ground, ink)), 1)
    seen, note = picture_and_note(given, 1)
    assert note == f"What is transparent in it counts as {ground}."
    assert np.abs(seen - expected).max() < 0.05
    frames = [fit_frame(picture, 8, 8, DIGIT, True) for picture in (seen, expected)]
    np.testing.assert_allclose(frames[0], frames[1], atol=0.05)
    assert frames[0].max() > 0.3


def test_nothing_at_all_is_black_rotation_is_applied_the_first_of_several_counts() -> None:
    nothing = Image.new("RGBA", (4, 4), (255, 255, 255, 0))
    assert read_picture(encoded(nothing), 1).max() == 0
    assert picture_and_note(encoded(Image.new("RGBA", (4, 4), (9, 9, 9, 255))), 1)[1] == ""
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    assert read_picture(encoded(ramp(), "JPEG", exif=exif), 1).shape == (16, 8, 1)
    several = encoded(Image.new("L", (4, 4), 255), save_all=True, append_images=[Image.new("L", (4, 4), 0)])
    assert read_picture(several, 1).min() == 1
    assert read_picture(encoded(Image.new("L", (1, 1), 51)), 3).tolist() == [[[pytest.approx(0.2)] * 3]]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims this size."""
    return png(width, height, 8, 0, zlib.compress(b"\0"))


def png(width: int, height: int, depth: int, colours: int, pixels: bytes) -> bytes:

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


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


def test_a_flipped_bit_of_the_pixels_is_noticed_wherever_it_lies() -> None:
    stored = encoded(ramp(), compress_level=0)  # so that what is decoded has no mistake but the pixel's own
    first = stored.index(b"IDAT") + 4
    length = int.from_bytes(stored[first - 8 : first - 4])
    for place in range(first + 8, first + length - 4):  # behind the stream's header, before its own checksum
        flipped = bytearray(stored)
        flipped[place] ^= 1
        with pytest.raises(DataError, match="cannot be read"):
            read_picture(bytes(flipped), 1)


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
