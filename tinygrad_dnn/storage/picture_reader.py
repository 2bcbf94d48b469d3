"""Reading picture files that one did not write: named formats, a limit of size, 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any, Literal
from warnings import catch_warnings

import numpy as np
from numpy.typing import NDArray

# The formats that are read; Pillow knows more, of which some start other programs (EPS).
PICTURES = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
# Of a picture before it is resized: a photograph has up to 50 million; read, they take 0.8 GiB.
MAX_PIXELS = 2**26
Mode = Literal["RGB", "L"]
GREY = ("1", "L", "LA", "La", "F")  # Pillow's modes without colour, besides those of integers


def read_picture(
    path: str | PathLike[str], size: tuple[int, int] | None, mode: Mode
) -> NDArray[np.uint8]:
    """A picture (height, width) in grey, mode "L", or (height, width, 3) in colour, "RGB".

    It is turned as the camera was held; what is transparent becomes white.

    Args:
        size: (height, width) that it is resized to; None for its own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no picture of these formats, too large, or damaged; Pillow is not installed.
    """
    with _opened(path) as image:
        from PIL import Image, ImageOps

        ImageOps.exif_transpose(image, in_place=True)
        flat = _eight_bits(image)
        if flat.has_transparency_data:
            paper = Image.new("RGBA", flat.size, "white")
            paper.alpha_composite(flat if flat.mode == "RGBA" else flat.convert("RGBA"))
            flat = paper
        flat = flat if flat.mode == mode else flat.convert(mode)
        if size is not None:
            flat = flat.resize(size[::-1])
        return np.asarray(flat)


def look_at_picture(path: str | PathLike[str]) -> tuple[tuple[int, int], Mode]:
    """(height, width) as it would be read, and whether it is grey, from its first bytes.

    Raises:
        FileNotFoundError, ValueError: as `read_picture`.
    """
    with _opened(path) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # held on its side
        grey = image.mode in GREY or image.mode.startswith("I")
        height, width = image.size if turned else image.size[::-1]
        return (height, width), "L" if grey else "RGB"


@contextmanager
def _opened(path: str | PathLike[str]) -> Iterator[Any]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ValueError(
            f"{path}: reading pictures needs Pillow; install it with pip install "
            "'tinygrad-dnn[image]'"
        ) from None
    try:
        with catch_warnings(action="ignore"), Image.open(path, formats=PICTURES) as image:
            if (size := image.width * image.height) > MAX_PIXELS:
                raise ValueError(
                    f"{image.width} x {image.height} are {size:,} pixels, expected at most "
                    f"{MAX_PIXELS:,}; make it smaller"
                )
            yield image
    except UnidentifiedImageError:
        raise ValueError(f"{path}: not a picture ({', '.join(PICTURES)})") from None
    except FileNotFoundError:
        raise
    except Exception as error:  # a decoder that meets damage raises whatever it stumbles over
        raise ValueError(f"{path}: this picture can't be read: {error}") from error


def _eight_bits(image: Any) -> Any:
    """The picture with levels from 0 to 255, which is where convert() cuts other levels off."""
    from PIL import Image

    levels = np.asarray(image) if image.mode.startswith(("I", "F")) else None
    if levels is None:
        return image
    if image.mode == "F":
        if not (levels.min() >= 0 and levels.max() <= 1):  # NaN compares false
            raise ValueError(
                f"its levels are floats from {levels.min():g} to {levels.max():g}, expected 0 to "
                "1; divide by its white, or save it with 8 or 16 bits"
            )
        levels = np.rint(levels * np.float32(255))
    elif image.mode.startswith("I;16") or image.format in ("PNG", "PPM"):
        levels = levels // 257
    else:
        raise ValueError(
            "its levels are 32-bit integers, whose white no format says; save it with 8 or 16 bits"
        )
    return Image.fromarray(levels.astype(np.uint8))
