"""The tasks of the published data sets: which file trains, which tests, and what the variants leave out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from harness.contract import Column, DataStatus, Places
from harness.errors import DataError
from tasks.nids import splits
from tasks.nids.catalogue import DATA_SETS, DataSet, Source
from tasks.nids.files import candidates, check_is_no_impostor, check_rows, found
from tasks.nids.splits import Parts
from tasks.nids.table import Flows, part, read
from tasks.nids.task import FlowTask

RANDOM = "random split"
NO_ORDER = "order has no meaning"
FILE_ORDER = "order of the file"
_LAST_ROWS = {"nf-unsw-nb15-v2": 0.025, "nf-cse-cic-ids2018-v2": 0.01}
"""FlowTransformer (Manocchio et al. 2024) tests on so many of the last rows of the file."""
_WINDOW = 8


def published_tasks() -> Iterator[FlowTask]:
    """Every task over a published set, the plain ones first."""
    for data_set in DATA_SETS:
        yield from _tasks(data_set)
    yield from _across()


def _tasks(data_set: DataSet) -> Iterator[FlowTask]:
    plain = _task(data_set)
    if data_set.name.startswith("nsl-kdd"):
        yield plain
        if data_set.name == "nsl-kdd":
            families = "The families are dos, probe, r2l and u2r."
            yield _variant(plain, "families", families, names_families=True)
            yield _variant(plain, f"window-{_WINDOW}", _window_says, window=_WINDOW, on_request=True, marks=(NO_ORDER,))
            yield _random(data_set, plain, "train")
    elif data_set.name == "unsw-nb15":
        yield plain
        yield _variant(
            plain, "no-ttl", "Without times to live, which depend on the tool of the attack.", dropped=("ttl",)
        )
        yield _variant(plain, "families", "Nine families of attacks.", names_families=True)
        yield _random(data_set, plain, "test")
        yield _random(data_set, plain, "test", without_duplicates=True)
    elif data_set.name in _LAST_ROWS:
        plain = replace(plain, marks=(FILE_ORDER,), dropped=("address", "identifier"), parts=partial(_last, data_set))
        yield plain
        yield _variant(plain, "no-ports", "Without ports.", dropped=("address", "identifier", "port"))
        yield _variant(plain, "families", _types_say, names_families=True)
        yield _variant(plain, f"window-{_WINDOW}", _window_says, window=_WINDOW, on_request=True)
    else:
        plain = replace(plain, dropped=("address", "identifier", "time"), parts=partial(_timed, data_set))
        yield plain
        no_ports = ("address", "identifier", "time", "port")
        yield _variant(plain, "no-ports", "Without ports.", dropped=no_ports)
        yield _variant(plain, "families", _types_say, names_families=True)
        yield _variant(plain, f"window-{_WINDOW}", _window_says, window=_WINDOW)


_types_say = "Names the type of the attack."
_window_says = f"Each flow comes with the {_WINDOW - 1} before it."


def _task(data_set: DataSet) -> FlowTask:
    return FlowTask(
        name=f"nids/{data_set.name}",
        description=f"Tell attacks from benign flows in {data_set.title}.",
        columns=data_set.layout.columns,
        roles=data_set.layout.roles,
        families=data_set.families,
        parts=partial(_official, data_set),
        status_of=partial(_status, data_set, tuple(source.role for source in data_set.sources)),
        licence=data_set.licence,
        citation=data_set.citation,
        url=data_set.url,
    )


def _variant(plain: FlowTask, suffix: str, says: str, **changed: object) -> FlowTask:
    name, description = f"{plain.name}/{suffix}", f"{plain.description} {says}"
    return replace(plain, name=name, description=description, **changed)  # type: ignore[arg-type]


def _random(data_set: DataSet, plain: FlowTask, role: str, *, without_duplicates: bool = False) -> FlowTask:
    suffix = "random-split-deduplicated" if without_duplicates else "random-split"
    says = (
        f"A draw at random from the file of the {role} split alone"
        + (", equal flows taken out first" if without_duplicates else "")
        + ". It puts neighbours of one attack on both sides: never compare it with the official split."
    )
    return _variant(
        plain,
        suffix,
        says,
        parts=partial(_drawn, data_set, role, without_duplicates),
        status_of=partial(_status, data_set, (role,)),
        on_request=True,
        marks=(RANDOM,),
    )


@dataclass(frozen=True)
class _Pair:
    """Train on one set, test on another, over the fields that both have."""

    train: DataSet
    test: DataSet

    @property
    def columns(self) -> tuple[Column, ...]:
        theirs = {column.name for column in self.test.layout.columns}
        return tuple(column for column in self.train.layout.columns if column.name in theirs)

    def status(self, places: Places) -> DataStatus:
        for data_set in (self.train, self.test):
            status = _status(data_set, ("all",), places)
            if not status.ready:
                return status
        return _status(self.test, ("all",), places)

    def parts(self, places: Places) -> Parts:
        return Parts(_read(self.train, "all", places), _read(self.test, "all", places))


def _across() -> Iterator[FlowTask]:
    """The NetFlow sets have one field set (Sarhan et al. 2022), so that a model of one can be tested on another."""
    sets = [data_set for data_set in DATA_SETS if data_set.name in _LAST_ROWS]
    for train in sets:
        for test in sets:
            if train != test:
                pair = _Pair(train, test)
                yield replace(
                    _task(test),
                    name=f"nids/{train.name}/to/{test.name}",
                    description=f"Train on {train.title}, tell attacks from benign flows in {test.title}.",
                    columns=pair.columns,
                    dropped=("address", "identifier", "port", "ttl"),
                    parts=pair.parts,
                    status_of=pair.status,
                    on_request=True,
                )


# --- Reading --------------------------------------------------------------------------------------------------------


def _source(data_set: DataSet, role: str) -> Source:
    return next(source for source in data_set.sources if source.role == role)


def _status(data_set: DataSet, roles: tuple[str, ...], places: Places) -> DataStatus:
    folder = places.data / "nids" / data_set.folder
    for role in roles:
        source = _source(data_set, role)
        if found(data_set, source, places.data) is None:
            rows = f" with {source.rows:,} flows" if source.rows else ""
            return DataStatus("manual", str(folder), f"{source.names[0]}{rows} is missing. {data_set.hint}")
    return DataStatus("here", str(folder))


def _read(data_set: DataSet, role: str, places: Places) -> Flows:
    source = _source(data_set, role)
    path = found(data_set, source, places.data)
    if path is None:
        where = places.data / "nids" / data_set.folder / source.names[0]
        raise DataError(f"there is no {where}", hint=data_set.hint)
    if data_set.name.startswith("nsl-kdd"):
        check_is_no_impostor(path)
    paths = list(candidates(data_set, source, places.data)) if "*" in source.names[0] else [path]
    flows = _joined([read(one, data_set.layout) for one in paths])
    check_rows(path, source, len(flows))
    return flows


def _joined(parts: list[Flows]) -> Flows:
    import pandas as pd

    if len(parts) == 1:
        return parts[0]
    mended: dict[str, int] = {}
    for flows in parts:
        for what, count in flows.mended.items():
            mended[what] = mended.get(what, 0) + count
    features = pd.concat([flows.features for flows in parts], ignore_index=True)
    return Flows(features, [kind for flows in parts for kind in flows.kinds], mended)


def _official(data_set: DataSet, places: Places) -> Parts:
    return Parts(_read(data_set, "train", places), _read(data_set, "test", places))


def _drawn(data_set: DataSet, role: str, without_duplicates: bool, places: Places) -> Parts:
    return splits.random(_read(data_set, role, places), without_duplicates=without_duplicates)


def _last(data_set: DataSet, places: Places) -> Parts:
    flows = _read(data_set, "all", places)
    cut = len(flows) - round(_LAST_ROWS[data_set.name] * len(flows))
    return Parts(part(flows, range(cut)), part(flows, range(cut, len(flows))))


def _timed(data_set: DataSet, places: Places) -> Parts:
    layout = data_set.layout
    flows = _read(replace(data_set, layout=splits.with_time(layout)), "all", places)
    return splits.in_time(flows, layout, data_set.title)
