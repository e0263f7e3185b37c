"""Where questions come from: FlowLearn's folders, its published answers, and TextFlow's copy of 100 charts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from harness.contract import DataStatus, Places
from harness.digest import file_digest
from harness.errors import DataError
from harness.flowcharts.chart import Chart
from harness.flowcharts.mermaid import MermaidError, read
from tasks.flowlearn.questions import KINDS, Picture, Question, chart_groups, statement

FOLDER = "flowlearn"
_OFFICIAL_HINT = (
    "FlowLearn is jopan/FlowLearn on the Hugging Face hub: unpack its SimFlowchart and SciFlowchart folders into "
    "the folder flowlearn of the data root. docs/flowlearn.md shows the layout."
)
_TEXTFLOW_HINT = (
    "Copy data/flowlearn of github.com/JunyiYe/TextFlow to flowlearn/textflow100 (test.json, images/), and the gold "
    "charts to flowlearn/simflowchart_word_test_gold.json. docs/flowlearn.md shows the layout."
)
_MAX_JSON_BYTES = 256 << 20
_NAMED = re.compile(r"node '(.+?)' (?:to|and) node '(.+)'")
_COPIES = {"AtoB": "a-to-b", "betweenAB": "between"}


class Source(Protocol):
    """Charts of one subset with questions on them."""

    def status(self, places: Places) -> DataStatus: ...

    def questions(self, kind: str, places: Places) -> list[Question]:
        """All questions of a kind, in the order of the charts. Raises `DataError`."""
        ...


@dataclass(frozen=True)
class Official:
    """FlowLearn's own JSON and images where a user has them, else the answers to it that were published.

    With the published answers alone nothing can be asked: they serve to score answers that were made elsewhere.
    """

    subset: str
    """`word`, `char` or `scientific`."""
    most: int | None = None
    """Charts, from the first on: some models were asked about so many only."""

    def status(self, places: Places) -> DataStatus:
        if self._test(places).is_file():
            return DataStatus("here", str(self._test(places)))
        if (gold := self._gold(places)).is_file():
            return DataStatus("here", str(gold), "Answers only: without the images nothing can be asked.")
        return DataStatus("manual", str(self._test(places)), _OFFICIAL_HINT)

    def questions(self, kind: str, places: Places) -> list[Question]:
        test = self._test(places)
        if test.is_file():
            return list(self._asked(kind, test, places))
        return [
            Question(self.subset, key, kind, "", answer, chart=chart, groups=_groups(chart))
            for key, item in self._items(self._gold(places))
            for chart in [_chart(item.get("mermaid"), f"{self._gold(places)}, {key}")]
            if (answer := _published_answer(kind, item))
        ]

    def _asked(self, kind: str, test: Path, places: Places) -> Iterator[Question]:
        for key, item in self._items(test):
            where = f"{test}, {key}"
            chart = _chart(item.get("Flowchart-to-Mermaid") or item.get("mermaid"), where)
            asked = _official_question(kind, item, chart, where)
            if asked is not None:
                text, answer, corrected = asked
                picture = _picture(self._images(kind, test), key)
                yield Question(self.subset, key, kind, text, answer, corrected, chart, picture, _groups(chart))

    def _items(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        return islice(_objects(path, _OFFICIAL_HINT), self.most)

    def _images(self, kind: str, test: Path) -> Sequence[Path]:
        """Folders that may hold the images: those of the hub, then those that FlowLearn's own code reads."""
        if self.subset == "scientific":
            return [test.parent / ("images_ocr" if kind == "ocr" else "images")]
        home = test.parent.parent.parent
        if kind == "ocr":
            boxed = f"{self.subset}_TextOCR"
            return [home / boxed / "images", home / "images" / boxed / "images", home / self.subset / "images_ocr"]
        plain = {"word": "mermaid_word", "char": "mermaid_char_v2"}[self.subset]
        return [home / self.subset / "images", home / "images" / plain / "jpeg"]

    def _test(self, places: Places) -> Path:
        home = places.data / FOLDER
        if self.subset == "scientific":
            return home / "SciFlowchart" / "test_vqa_query.json"
        return home / "SimFlowchart" / self.subset / "VQA" / "test.json"

    def _gold(self, places: Places) -> Path:
        if self.subset == "scientific":
            return places.data / FOLDER / "sciflowchart_test_refs.json"
        return places.data / FOLDER / f"simflowchart_{self.subset}_test_gold.json"


@dataclass(frozen=True)
class TextFlow:
    """100 charts of the word set with their images: those on which GPT-4V and Claude were scored."""

    subset: str = "word"
    first: int = 0
    """Charts before it are left out: they served to tune on."""

    def status(self, places: Places) -> DataStatus:
        missing = [path for path in (self._test(places), self._gold(places)) if not path.is_file()]
        if missing:
            return DataStatus("manual", str(missing[0]), _TEXTFLOW_HINT)
        return DataStatus("here", str(self._test(places)))

    def questions(self, kind: str, places: Places) -> list[Question]:
        test = self._test(places)
        gold = dict(_objects(self._gold(places), _TEXTFLOW_HINT))
        return [
            self._question(kind, key, item, gold, test)
            for key, item in list(_objects(test, _TEXTFLOW_HINT))[self.first :]
            if f"{key}.jpeg" in gold
        ]

    def _question(
        self, kind: str, key: str, item: Mapping[str, Any], gold: Mapping[str, Mapping[str, Any]], test: Path
    ) -> Question:
        name = f"{key}.jpeg"
        chart = _chart(gold[name].get("mermaid"), f"{test}, {key}")
        if chart is None:
            raise DataError(f"{test}, {key}: the gold file has no Mermaid code for it", hint=_TEXTFLOW_HINT)
        if kind == "ocr":  # its pictures, with a red box, are not in the copy
            answer = _published_answer(kind, gold[name])
            return Question(self.subset, name, kind, "", answer, chart=chart, groups=_groups(chart))
        picture = _picture([test.parent / "images"], name)
        text, answer, corrected = KINDS[kind].put(), _published_answer(kind, gold[name]), ""
        if KINDS[kind].form == "boolean":
            said, answer = _copied(item, kind, f"{test}, {key}")
            text, corrected = KINDS[kind].put(said), _truth(kind, *_named(said, f"{test}, {key}"), chart)
        return Question(self.subset, name, kind, text, answer, corrected, chart, picture, _groups(chart))

    def _test(self, places: Places) -> Path:
        return places.data / FOLDER / "textflow100" / "test.json"

    def _gold(self, places: Places) -> Path:
        return places.data / FOLDER / "simflowchart_word_test_gold.json"


def _copied(item: Mapping[str, Any], kind: str, where: str) -> tuple[str, str]:
    """The statement and its answer out of TextFlow's `qa`."""
    wanted = KINDS[kind].published
    try:
        entry = next(entry for entry in item["qa"].values() if entry["type"] == wanted)
        return str(entry["Q"]).partition("?")[2].strip(), str(entry["A1"])
    except (KeyError, TypeError, AttributeError, StopIteration) as error:
        raise DataError(f"{where}: there is no question of type {wanted}", hint=_TEXTFLOW_HINT) from error


def _named(said: str, where: str) -> tuple[str, str]:
    """The two nodes that a statement names. Raises `DataError` if it does not."""
    found = _NAMED.search(said)
    if found is None:
        raise DataError(f"{where}: {said[:80]!r} does not name two nodes", hint=_TEXTFLOW_HINT)
    return found[1], found[2]


def _truth(kind: str, a: str, b: str, chart: Chart) -> str:
    """What a chart says to a statement on two of its nodes."""
    holds = (a, b) in chart.pairs if kind.endswith("a-to-b") else chart.joined(a, b)
    return str(holds).lower()


def _official_question(
    kind: str, item: Mapping[str, Any], chart: Chart | None, where: str
) -> tuple[str, str, str] | None:
    """Text, answer and corrected answer of an item of FlowLearn's own JSON; None if it has no such question."""
    form = KINDS[kind]
    try:
        if kind in ("is-true", "is-false"):
            said = item.get("True_Statements" if kind == "is-true" else "False_Statements")
            said = [said] if isinstance(said, str) else said
            return (form.put(str(said[0])), form.answer, "") if said else None
        if form.form == "boolean":
            sides = item.get("Arrow_AtoB" if kind.endswith("a-to-b") else "Arrow_betweenAB") or {}
            side = sides.get(form.answer)
            if not side:
                return None
            a, b = str(side["a"]), str(side["b"])
            return form.put(statement(kind, a, b)), form.answer, _truth(kind, a, b, chart) if chart else ""
        answer = item.get(form.published if kind not in ("ocr", "caption") else kind)
        answer = _boxed_text(answer) if kind == "ocr" else answer
        answer = int(answer) if form.form == "count" and answer not in (None, "") else answer
        return (form.put(), str(answer), "") if answer not in (None, "") else None
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{where}: the question {form.published} cannot be read: {error!r}", hint=_OFFICIAL_HINT
        ) from error


def _boxed_text(value: Any) -> str:
    """The text of `ocr`: itself, or [box, [text, …]] as in SciFlowchart."""
    return str(value[1][0]) if isinstance(value, list) else str(value or "")


def _published_answer(kind: str, item: Mapping[str, Any]) -> str:
    """The reference of a kind out of the published answers; empty if there is none."""
    field = {
        "ocr": "ocr",
        "num-nodes": "num_nodes",
        "num-arrows": "num_arrows",
        "to-mermaid": "mermaid",
        "to-description": "description",
        "caption": "caption",
    }.get(kind)
    return KINDS[kind].answer if field is None else str(item.get(field) or "")


def _chart(code: Any, where: str) -> Chart | None:
    if not code:
        return None
    try:
        return read(str(code).replace("```mermaid", "").replace("```", ""))
    except MermaidError as error:
        raise DataError(
            f"{where}: its Mermaid code cannot be read: {error}", hint="The file may be damaged."
        ) from error


def _groups(chart: Chart | None) -> dict[str, str]:
    return chart_groups(chart) if chart else {}


def _picture(folders: Sequence[Path], name: str) -> Picture:
    """The image of a chart; without a digest if there is none."""
    if Path(name).name != name:
        raise DataError(f"{name!r} is no name of an image", hint="The file may be damaged.")
    paths = [folder / name for folder in folders]
    path = next((path for path in paths if path.is_file()), paths[0])
    return Picture(path, file_digest(path) if path.is_file() else "")


def _objects(path: Path, hint: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The items of a JSON object of objects. Raises `DataError`."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise DataError(f"{path} is larger than {_MAX_JSON_BYTES:,} bytes", hint=hint)
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {error}", hint=hint) from error
    if not isinstance(found, dict):
        raise DataError(f"{path} is not a JSON object", hint=hint)
    for key, item in found.items():
        if not isinstance(item, dict):
            raise DataError(f"{path}, {key}: expected an object, found {type(item).__name__}", hint=hint)
        yield key, item
