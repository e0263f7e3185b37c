"""How generated charts become pictures: Graphviz, or Mermaid itself in a headless Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.flowlearn.generator import Drawn

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Rendered:
    """A picture (PNG), and where each node is in it, by id."""

    png: bytes
    boxes: dict[str, Box]


class Renderer(Protocol):
    """A program that draws charts."""

    name: str

    def missing(self) -> str:
        """What has to be installed first; empty if nothing."""
        ...

    def version(self) -> str:
        """Of the program and its font: the same version draws the same bytes."""
        ...

    def render(self, charts: Sequence[Drawn], progress: Callable[[int], None]) -> Iterator[Rendered]:
        """A picture for each chart. Raises `harness.errors.DataError`."""
        ...


def with_red_box(rendered: Rendered, node: str) -> bytes:
    """The picture with a red box around a node (PNG)."""
    import io

    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(rendered.png)) as picture:
        boxed = picture.convert("RGB")
    left, top, right, bottom = rendered.boxes[node]
    ImageDraw.Draw(boxed).rectangle((left - 3, top - 3, right + 3, bottom + 3), outline=(255, 0, 0), width=2)
    out = io.BytesIO()
    boxed.save(out, "PNG")
    return out.getvalue()
