"""The text in boxes, by RapidOCR's recogniser: its models come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.vision.chart_reader import Box
    from harness.vision.pixels import Picture

_INNER = 3
"""Pixels of the border that are left out of a crop."""


class TextReader:
    """Reads what stands in boxes, one crop a line."""

    def __init__(self) -> None:
        import logging

        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise RunFailed(
                "the kind vision reads text with RapidOCR, which is not installed",
                hint="pip install 'equal-footing[vision]'",
            ) from error
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._engine: Any = RapidOCR(params={"Global.log_level": "error", **_ONE_THREAD})

    def read(self, picture: Picture, boxes: Sequence[Box]) -> list[str]:
        """The text of each box; empty where nothing was made out."""
        return [self._read(picture[box.top : box.bottom, box.left : box.right]) for box in boxes]

    def _read(self, crop: Picture) -> str:
        height, width = crop.shape[:2]
        inner = crop[_INNER : height - _INNER, _INNER : width - _INNER]
        if not inner.size:
            return ""
        result = self._engine(inner[:, :, ::-1].copy(), use_det=False, use_cls=False, use_rec=True)
        texts = getattr(result, "txts", None) or ()
        return " ".join(texts).strip()


_ONE_THREAD = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
