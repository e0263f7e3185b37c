"""A picture as numbers: decoded within limits, and how much of each pixel a line covers."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import RunFailed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Picture = NDArray[np.uint8]
    """RGB, [height, width, 3]."""
    Mask = NDArray[np.bool_]

MAX_PIXELS = 40_000_000
MAX_BYTES = 64 << 20


def decode(data: bytes, name: str) -> Picture:
    """The picture in an encoded file. Raises `RunFailed`, with its name, if it is broken or too large."""
    from PIL import Image as pillow
    from PIL import UnidentifiedImageError

    if len(data) > MAX_BYTES:
        raise RunFailed(f"the image {name} has {len(data):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        with pillow.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP")) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise RunFailed(
                    f"the image {name} has {width} × {height} pixels; at most {MAX_PIXELS:,} are read",
                    hint="Scale it down.",
                )
            return np.asarray(_on_white(image))
    except (UnidentifiedImageError, pillow.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise RunFailed(f"the image {name} cannot be decoded: {error}", hint="The file may be damaged.") from error


def _on_white(image: Image) -> Image:
    """What is seen of it on a white page: charts are often saved without a background."""
    from PIL import Image as pillow

    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return pillow.alpha_composite(pillow.new("RGBA", layer.size, "white"), layer).convert("RGB")


def near(picture: Picture, colour: tuple[int, int, int], tolerance: int) -> Mask:
    """Pixels of which no channel is further than the tolerance from a colour: [height, width]."""
    apart = np.abs(picture.astype(np.int16) - np.array(colour, dtype=np.int16)).max(axis=2)
    close: Mask = apart <= tolerance
    return close


def background(picture: Picture, outside: Mask) -> NDArray[np.float32]:
    """The colour that most pixels outside the boxes have, in steps of 8, then their median."""
    pixels = picture[outside]
    if not len(pixels):
        return np.array([255, 255, 255], dtype=np.float32)
    coarse = (pixels >> 3).astype(np.int32) @ np.array([1 << 10, 1 << 5, 1], dtype=np.int32)
    commonest = np.bincount(coarse).argmax()
    median: NDArray[np.float32] = np.median(pixels[coarse == commonest], axis=0).astype(np.float32)
    return median


def coverage(picture: Picture, ground: NDArray[np.float32], line: tuple[int, int, int]) -> NDArray[np.float32]:
    """How much of each pixel a line covers, 0 to 1: its colour projected on the way from ground to line."""
    way: Any = np.array(line, dtype=np.float32) - ground
    length = max(float(way @ way), 1.0)
    share: NDArray[np.float32] = np.clip((picture.astype(np.float32) - ground) @ way / length, 0, 1)
    return share
