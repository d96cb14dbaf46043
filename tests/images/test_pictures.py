"""Picture files of every mode become the same three channels; bad ones are told."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.errors import CasesError
from edgekit.pictures import MOST_PIXELS, read_image
from edgekit.tasks.drawn_pictures import draw_pictures


def png(path: Path, width: int, height: int, depth: int, color: int, data: bytes) -> Path:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tiff", "webp"])
def test_files_without_loss_give_the_pixels_back(ending: str, tmp_path: Path) -> None:
    for number, image in enumerate(draw_pictures(5)):
        path = tmp_path / f"{number} 图.{ending}"
        Image.fromarray(image).save(path, lossless=True)
        found = read_image(path)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, image)


def test_a_jpeg_is_near_the_picture(tmp_path: Path) -> None:
    image = draw_pictures(1)[0]
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_becomes_three_channels(mode: str, tmp_path: Path) -> None:
    picture = Image.fromarray(draw_pictures(2)[1]).convert(mode)
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    picture.save(path)
    np.testing.assert_array_equal(read_image(path), np.asarray(picture.convert("RGB")))


def test_alpha_is_left_out(tmp_path: Path) -> None:
    clear = np.full((3, 4, 4), 200, np.uint8)
    clear[..., 3] = 0
    Image.fromarray(clear).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.full((3, 4, 3), 200))


def test_sixteen_bits_of_grey_keep_their_shades(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256], [32768, 65280, 65535]], ">u2")
    data = b"".join(b"\0" + row.tobytes() for row in values)
    found = read_image(png(tmp_path / "a.png", 3, 2, 16, 0, data))
    np.testing.assert_array_equal(found[..., 1], [[0, 0, 1], [128, 255, 255]])


def test_the_camera_may_have_been_turned(tmp_path: Path) -> None:
    image = draw_pictures(3)[2]
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene lies at the right
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(image, -1))


def test_of_moving_pictures_the_first_is_taken(tmp_path: Path) -> None:
    first, second = (Image.new("RGB", (5, 4), color) for color in ("red", "blue"))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif"), np.asarray(first))


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_told(ending: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    path = tmp_path / f"a.{ending}"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CasesError, match="picture"):
        read_image(path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    for side in (9_500, 30_000):
        assert side**2 > MOST_PIXELS
        path = png(tmp_path / "a.png", side, side, 8, 2, b"")
        with pytest.raises(CasesError, match="million pixels"):
            read_image(path)


def test_what_is_no_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(CasesError, match="no picture that is known"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(CasesError, match="supported: PNG"):
        read_image(tmp_path / "a.eps")
    with pytest.raises(CasesError, match="does not exist"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(CasesError, match="cannot be read"):
        read_image(tmp_path)


def test_values_of_32_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((3, 3), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(CasesError, match="32-bit"):
        read_image(tmp_path / "a.tiff")
