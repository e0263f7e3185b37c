"""A collection of the catalogue as a task: found, fetched, counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.contract import DataStatus, Places, TaskCard, Workload
from harness.errors import DataError
from tasks.beir.catalogue import COLLECTIONS, Collection
from tasks.beir.folder import BYTES_PER_DOCUMENT, PROTOCOL, load_folder
from tasks.beir.layout import Layout

_ELSEWHERE = "beir/python-docs needs no data."


@dataclass(frozen=True)
class CollectionTask:
    """A collection under the protocol `beir-1`."""

    collection: Collection

    @property
    def card(self) -> TaskCard:
        it = self.collection
        return TaskCard(
            name=f"beir/{it.name}",
            family="beir",
            protocol=PROTOCOL,
            primary_metric="nDCG@10",
            needs=frozenset({"ranking"}),
            description=f"{it.about}: {it.documents:,} documents, {it.queries:,} queries ({it.split}).",
            licence=it.licence,
            citation=it.citation,
            url="https://github.com/beir-cellar/beir",
        )

    def status(self, places: Places) -> DataStatus:
        """Here if the three files are, or a zip of them; a folder that lacks one is not completed by a download."""
        layout = self._layout(places)
        missing = layout.missing()
        if not missing:
            return DataStatus("here", str(layout.folder))
        if layout.folder.exists():
            return DataStatus("manual", str(layout.folder), f"incomplete: no {missing[0]}")
        archive = self.collection.archive
        if archive is None:
            return DataStatus("manual", str(layout.folder), self._by_hand_hint(layout))
        if kept := archive.kept(places):
            return DataStatus("here", str(kept), "unpacked by the first run that needs it")
        hint = f"{archive.bytes / 1e6:,.0f} MB, downloaded by the first run that needs it; {self._memory()}"
        return DataStatus("downloadable", str(layout.folder), hint)

    def load(self, places: Places) -> Workload:
        """Read the collection; a public one is fetched first. Raises `DataError` if its counts differ."""
        if not self._layout(places).folder.exists():
            if self.collection.archive is None:
                hint = self._by_hand_hint(self._layout(places))
                raise DataError(f"{self.card.name} is not here", hint=hint)
            self.collection.archive.fetch(places)
        layout = self._layout(places)
        return self._counted(layout, load_folder(layout, places.progress))

    def _layout(self, places: Places) -> Layout:
        """In the data root, else where its zip has been unpacked, else in the data root again, where it belongs."""
        top, _, below = self.collection.name.partition("/")
        placed = folder = places.data / "beir" / top / below
        if (archive := self.collection.archive) and not placed.exists():
            unpacked = archive.unpacked(places) / below
            folder = unpacked if unpacked.is_dir() else placed
        return Layout(folder, self.collection.split)

    def _by_hand_hint(self, layout: Layout) -> str:
        how = f" {self.collection.by_hand}. docs/beir.md has the steps." if self.collection.by_hand else ""
        return (
            f"{self.collection.name} cannot be downloaded in BEIR layout.{how} Put corpus.jsonl, queries.jsonl "
            f"and qrels/{layout.split}.tsv into {layout.folder}; {self._memory()}. {_ELSEWHERE}"
        )

    def _memory(self) -> str:
        return f"{max(1, round(self.collection.documents * BYTES_PER_DOCUMENT / 1e6)):,} MB of memory to load"

    def _counted(self, layout: Layout, workload: Workload) -> Workload:
        """The workload, with a note if a collection that users make differs. Raises `DataError` if another does."""
        it, found = self.collection, workload.facts
        expected = {"documents": it.documents, "queries": it.queries, "judgements": it.judgements}
        wrong = [what for what, count in expected.items() if found[what] != count]
        if not wrong:
            return workload
        fault = (
            f"{layout.folder}: expected {', '.join(f'{expected[what]:,} {what}' for what in wrong)}, "
            f"found {', '.join(f'{found[what]:,}' for what in wrong)}"
        )
        if not it.exact and "queries" not in wrong:
            note = f"{fault}: published scores are of another making of this collection"
            return replace(workload, notes=(*workload.notes, note))
        raise DataError(fault, hint=_other_version(layout.folder, workload) or _remedy(layout.folder))


def _other_version(folder: Path, workload: Workload) -> str:
    """What to do with data that is another collection of the catalogue, such as the first version of Touché."""
    found = [workload.facts[what] for what in ("documents", "queries", "judgements")]
    for other in COLLECTIONS:
        if found == [other.documents, other.queries, other.judgements]:
            return f"These are the counts of beir/{other.name}: rename the folder to {folder.parent / other.name}."
    return ""


def _remedy(folder: Path) -> str:
    return (
        "It may be half-downloaded: delete the folder and run again. "
        f"A variant of your own runs as `--task beir:{folder}`."
    )
