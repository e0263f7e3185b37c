"""Documents read from the corpus file by their id."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.contract import Corpus, Document
from harness.errors import DataError
from harness.retrieval.document_texts import DocumentTexts


def texts_of(folder: Path, documents: list[Document], between: bytes = b"\n") -> DocumentTexts:
    path = folder / "corpus.jsonl"
    path.write_bytes(between.join(msgspec.json.encode(document) for document in documents) + b"\n")
    return DocumentTexts(Corpus(str(path), len(documents), "digest"), lambda done, total, unit: None)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=20), min_size=1, max_size=12), st.data())
def test_any_documents_are_found_in_any_order(tmp_path: Path, texts: dict[str, str], data: st.DataObject) -> None:
    documents = {id: Document(id=id, text=text, title=text[::-1]) for id, text in texts.items()}
    found = texts_of(tmp_path, list(documents.values()))
    wanted = data.draw(st.lists(st.sampled_from(sorted(documents)), max_size=20))
    assert found.read(wanted) == [documents[id] for id in wanted]
    assert found.nbytes == 16 * len(found) == 16 * len(texts)


def test_empty_lines_are_no_documents(tmp_path: Path) -> None:
    documents = [Document(id="a", text="one"), Document(id="b", text="two")]
    assert texts_of(tmp_path, documents, between=b"\n\n").read(["b", "a"]) == documents[::-1]


def test_an_unknown_id_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'zzz', which is not in the corpus"):
        texts_of(tmp_path, [Document(id="a", text="one")]).read(["zzz"])
