"""Generated charts as a source of questions: drawn once into the cache, under a digest of all that they depend on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from harness.contract import DataStatus, Places
from harness.digest import combined_digest, file_digest
from harness.errors import DataError
from tasks.flowlearn.drawing import Renderer, with_red_box
from tasks.flowlearn.generator import VERSION, Drawn, draw, question
from tasks.flowlearn.questions import Picture, Question

TEST_SEED = 20240705
"""Of the charts of the tasks; nothing may be tuned on these."""
_CHARTS = 200


@dataclass(frozen=True)
class Generated:
    """So many charts of a seed, as a renderer draws them."""

    renderer: Renderer
    seed: int = TEST_SEED
    count: int = _CHARTS

    def status(self, places: Places) -> DataStatus:
        if missing := self.renderer.missing():
            return DataStatus("manual", f"drawn by {self.renderer.name}", missing)
        return DataStatus("embedded", f"drawn by {self.renderer.name} when it is loaded")

    def questions(self, kind: str, places: Places) -> list[Question]:
        folder = self.pictures(places)
        found = []
        for drawn in draw(self.seed, self.count):
            asked = question(kind, drawn)
            if asked is not None:
                path = folder / f"{drawn.key}{'-boxed' if kind == 'ocr' else ''}.png"
                picture = Picture(path, file_digest(path))
                text, answer = asked
                found.append(
                    Question(
                        f"generated {self.renderer.name}",
                        drawn.key,
                        kind,
                        text,
                        answer,
                        chart=drawn.chart,
                        picture=picture,
                        groups=drawn.groups,
                    )
                )
        return found

    def pictures(self, places: Places) -> Path:
        """The folder of the pictures, which are drawn if they are not there. Raises `DataError`."""
        if missing := self.renderer.missing():
            raise DataError(f"charts cannot be drawn with {self.renderer.name} here", hint=missing)
        charts = list(draw(self.seed, self.count))
        name = combined_digest(
            version=VERSION,
            renderer=f"{self.renderer.name} {self.renderer.version()}",
            charts="".join(drawn.chart.direction + drawn.key for drawn in charts),
        )
        folder = places.cache / "flowlearn" / name[:32]
        if not (folder / "whole").is_file():
            self._draw(charts, folder, places)
        return folder

    def _draw(self, charts: list[Drawn], folder: Path, places: Places) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        listed = hashlib.sha256()
        drawing = self.renderer.render(charts, lambda done: places.progress(done, len(charts), "charts"))
        for drawn, rendered in zip(charts, drawing, strict=True):
            for ending, png in (("", rendered.png), ("-boxed", with_red_box(rendered, drawn.boxed))):
                (folder / f"{drawn.key}{ending}.png").write_bytes(png)
                listed.update(hashlib.sha256(png).digest())
        (folder / "whole").write_text(listed.hexdigest())
