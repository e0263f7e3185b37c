"""The text in boxes, by RapidOCR's recogniser: its models come with the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import RunFailed

if TYPE_CHECKING:
    from harness.vision.chart_reader import Box
    from harness.vision.pixels import Picture

_INNER = 3
"""Pixels of the border that are left out of a crop."""
_INK = 130
"""How far a channel of a letter is from the colour around it; that of a border is less."""
_ROOM = 4
"""Pixels that are left above and below the text."""
_COLUMN = 8
"""Pixels of width that the recogniser makes one place of text of."""


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
        return [self._read(_inner(picture, box)) for box in boxes]

    def columns(self, picture: Picture, boxes: Sequence[Box]) -> list[int]:
        """How many places of text the recogniser went through for each box that has any."""
        _, height, width = self._engine.cfg.Rec.rec_img_shape
        crops = [crop for crop in (_inner(picture, box) for box in boxes) if crop.size]
        widths = [int(height * max(width / height, crop.shape[1] / crop.shape[0])) for crop in crops]
        return [-(-width // _COLUMN) for width in widths]

    @property
    def loaded(self) -> bool:
        """True once something was read: the recogniser is loaded for the first text."""
        return self._engine.text_rec is not None

    @property
    def model_path(self) -> Path:
        """The recogniser's file; only if it is loaded, as are its inputs."""
        return Path(self._session._model_path)

    @property
    def input_name(self) -> str:
        return str(self._session.get_inputs()[0].name)

    def input_size(self, columns: int) -> tuple[int, int]:
        """Height and width in pixels of what the recogniser gets for so many places of text."""
        return int(self._engine.cfg.Rec.rec_img_shape[1]), columns * _COLUMN

    @property
    def _session(self) -> Any:
        return self._engine.text_rec.session.session

    def _read(self, inner: Picture) -> str:
        if not inner.size:
            return ""
        result = self._engine(inner[:, :, ::-1].copy(), use_det=False, use_cls=False, use_rec=True)
        texts = getattr(result, "txts", None) or ()
        return " ".join(texts).strip()


def _inner(picture: Picture, box: Box) -> Picture:
    """What is in a box, without its border and the room above and below the text.

    The recogniser scales a crop to its own height: in a tall box letters would become too small to read.
    """
    crop = picture[box.top + _INNER : box.bottom - _INNER, box.left + _INNER : box.right - _INNER]
    if not crop.size:
        return crop
    filled = np.median(crop.reshape(-1, 3), axis=0)
    rows = np.flatnonzero((np.abs(crop - filled).max(axis=2) > _INK).any(axis=1))
    return crop[max(0, rows[0] - _ROOM) : rows[-1] + 1 + _ROOM] if rows.size else crop


_ONE_THREAD = {
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}
