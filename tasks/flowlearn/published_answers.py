"""The answers that FlowLearn published, as files for the kind `replay`: `python -m tasks.flowlearn.published_answers`.

Its repository has a JSON file for each model and kind of question, `{image: {"prediction": …, "reference": …}}`, in
results/SUBSET/MODEL_KIND_2-shot.json, gzipped or not. For each model a file of answers to all subsets is written, and
a submission beside it.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harness.errors import DataError, HarnessError
from tasks.flowlearn.questions import KINDS, question_id

_SUBSETS = {"SimFlowchart-word": "word", "SimFlowchart-char": "char", "SciFlowchart": "scientific"}
_NAME = re.compile(r"(?P<model>.+?)_(?P<kind>(?:Flowchart-.+|Num_\w+|ocr))_2-shot\.json(?:\.gz)?\Z")
_MAX_BYTES = 64 << 20


def answers(folder: Path) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """(model, subset, kind, text of the answer by image) of each file. Raises `DataError` for one that is broken."""
    kinds = {kind.published: kind.name for kind in KINDS.values()}
    for published, subset in _SUBSETS.items():
        for path in sorted((folder / published).glob("*_2-shot.json*")):
            found = _NAME.match(path.name)
            if found and found["kind"] in kinds:
                yield found["model"], subset, kinds[found["kind"]], _texts(path)


def write(folder: Path, out: Path) -> list[Path]:
    """Write answers and submissions of each model; returns the submissions. Raises `DataError`."""
    by_model: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for model, subset, kind, texts in answers(folder):
        by_model[model] += [{"id": question_id(subset, kind, key), "text": text} for key, text in texts.items()]
    if not by_model:
        raise DataError(
            f"{folder} holds no published answers", hint="Give the folder results/ of github.com/Jo-Pan/FlowLearn."
        )
    out.mkdir(parents=True, exist_ok=True)
    return [_written(out, model, lines) for model, lines in sorted(by_model.items())]


def _written(out: Path, model: str, lines: list[dict[str, str]]) -> Path:
    (out / f"{model}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    submission = out / f"{model}.yaml"
    submission.write_text(
        f"name: {model} (published answers)\n"
        "description: Answers with two examples in the prompt, from github.com/Jo-Pan/FlowLearn.\n"
        f"model:\n  kind: replay\n  path: {model}.jsonl\n  ignore_unknown_queries: true\n"
    )
    return submission


def _texts(path: Path) -> dict[str, str]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise DataError(f"{path} holds more than {_MAX_BYTES:,} bytes")
        found: dict[str, dict[str, Any]] = json.loads(content)
        return {key: _text(item["prediction"]) for key, item in found.items()}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no file of answers: {error}", hint="It may be half-downloaded.") from error


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


@click.command(help="Write the answers that FlowLearn published as submissions of the kind replay.")
@click.argument("results", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
def main(results: Path, out: Path) -> None:
    try:
        for path in write(results, out):
            click.echo(path)
    except HarnessError as error:
        click.echo(f"error: {error.message}\n{error.hint}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
