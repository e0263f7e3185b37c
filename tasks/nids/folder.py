"""A user's own flows: CSV files, and a file flows.yaml that says what their columns are.

kind: attack              # the column that names the type of attack
benign: normal            # what it says of benign flows
numbers: [duration, bytes]
categories: [protocol]
train: train.csv          # an official pair …
test: test.csv
file: flows.csv           # … or one file that is cut at 70 % of its time
time: start
types: true               # name the type of an attack, and not only that it is one
window: 8                 # each flow with those before it, where there is a time
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import pydantic
import yaml

from harness.contract import Column, DataStatus, Places
from harness.errors import DataError
from tasks.nids import splits
from tasks.nids.splits import Parts
from tasks.nids.table import Layout, read
from tasks.nids.task import FlowTask

SCHEMA_FILE = "flows.yaml"
_MOST_BYTES = 1 << 18

Names = Annotated[list[str], pydantic.Field(default=[])]


class FlowsFile(pydantic.BaseModel):
    """What the columns of the CSV files are."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    kind: str
    benign: str
    numbers: Names
    categories: Names
    train: str = ""
    test: str = ""
    file: str = ""
    time: str = ""
    types: bool = False
    window: Annotated[int, pydantic.Field(default=1, ge=1, le=512)]
    description: str = "Flows of a user's own."
    licence: str = "unknown"


def folder_task(path: Path) -> FlowTask:
    """The task over the folder. Raises `DataError` for a schema file that is missing or wrong, with the field."""
    schema = path if path.is_file() else path / SCHEMA_FILE
    said = _read_schema(schema)
    pair = bool(said.train and said.test)
    if pair == bool(said.file and said.time):
        raise DataError(
            f"{schema}: name `train` and `test`, or `file` and the column `time` that it is cut by",
            hint="A draw at random would put neighbours of one attack on both sides.",
        )
    if pair and said.window > 1:
        raise DataError(f"{schema}: a `window` needs flows in the order of their `time`, in one `file`")
    columns = (
        *(Column(name, "number") for name in said.numbers),
        *(Column(name, "category") for name in said.categories),
    )
    if not columns:
        raise DataError(f"{schema}: there are no `numbers` and no `categories`")
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{schema}: the columns {', '.join(twice)} are named twice")
    if said.kind in names:
        raise DataError(f"{schema}: {said.kind} is the answer, and cannot be a feature", hint="Take it out.")
    layout = Layout(columns=columns, kind=said.kind, benign=said.benign, time=said.time)
    return FlowTask(
        name=f"nids:{path.name if path.is_dir() else path.parent.name}",
        description=said.description,
        columns=columns,
        parts=partial(_pair if pair else _timed, schema.parent, said, layout),
        status_of=partial(_here, schema.parent),
        names_families=said.types,
        window=said.window,
        licence=said.licence,
        citation="",
    )


def _read_schema(schema: Path) -> FlowsFile:
    try:
        content = schema.read_bytes()[: _MOST_BYTES + 1]
    except OSError as error:
        raise DataError(
            f"cannot read {schema}: {error.strerror}", hint="It says what the columns are; see docs/nids.md."
        ) from error
    if len(content) > _MOST_BYTES:
        raise DataError(f"{schema} is larger than {_MOST_BYTES // 1024} KiB")
    try:
        return FlowsFile.model_validate(yaml.safe_load(content))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{schema} is no YAML: {str(error).splitlines()[0]}") from error
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{schema}: {where}: {first['msg']}", hint="docs/nids.md describes the file.") from error


def _here(folder: Path, places: Places) -> DataStatus:
    return DataStatus("here", str(folder))


def _pair(folder: Path, said: FlowsFile, layout: Layout, places: Places) -> Parts:
    return Parts(read(folder / said.train, layout), read(folder / said.test, layout))


def _timed(folder: Path, said: FlowsFile, layout: Layout, places: Places) -> Parts:
    path = folder / said.file
    return splits.in_time(read(path, splits.with_time(layout)), layout, str(path))
