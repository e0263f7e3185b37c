"""An index in the cache is whole or it is not used. No Java is started here: the cache does not care what it holds."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import DataError, RunFailed
from harness.retrieval.lucene_cache import StoredIndex, find_or_build

IDENTITY = {"corpus": "c1", "fields": "flat"}


class Builder:
    """Writes two files; counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        assert not list(folder.iterdir()), "nothing of an earlier attempt"
        self.calls += 1
        (folder / "_0.doc").write_bytes(b"postings")
        (folder / "segments_1").write_bytes(b"segments")


@pytest.fixture
def build() -> Builder:
    return Builder()


def stored(root: Path, build: Callable[[Path], None], run: str = "run", **changes: str) -> StoredIndex:
    return find_or_build(root / "cache", root / run, IDENTITY | changes, build)


def test_a_second_time_finds_what_the_first_built_and_what_it_cost(tmp_path: Path, build: Builder) -> None:
    first, second = stored(tmp_path, build), stored(tmp_path, build, run="another")
    assert build.calls == 1
    assert (first.reused, second.reused) == (False, True)
    assert second.folder == first.folder
    assert second.record == first.record
    assert second.record.cost.wall_seconds > 0
    assert (second.record.disk_bytes, second.record.bytes_of(".doc")) == (16, 8)


def test_other_data_and_other_settings_have_an_index_of_their_own(tmp_path: Path, build: Builder) -> None:
    stored(tmp_path, build)
    assert not stored(tmp_path, build, corpus="c2").reused
    assert not stored(tmp_path, build, fields="multifield").reused
    assert stored(tmp_path, build).reused


def test_an_index_of_other_data_under_this_name_is_refused(tmp_path: Path, build: Builder) -> None:
    mine, other = stored(tmp_path, build).folder, stored(tmp_path, build, corpus="c2").folder
    mine.rename(tmp_path / "aside")
    other.rename(mine)
    with pytest.raises(
        DataError, match=rf"{mine} holds an index of other data .*: its corpus is c2, not c1"
    ) as refused:
        stored(tmp_path, build)
    assert "Delete the folder" in refused.value.hint


@pytest.mark.parametrize("name", ["_0.doc", "segments_1", "record.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_index_is_built_again(
    tmp_path: Path, build: Builder, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = stored(tmp_path, build)
    path = whole.folder / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    match damage:
        case "truncate":
            path.write_bytes(content[:-1])
        case "flip":
            path.write_bytes(content)
        case "remove":
            path.unlink()
    again = stored(tmp_path, build)
    assert (build.calls, again.reused, again.record.files) == (2, False, whole.record.files)
    assert "the index is built again" in capsys.readouterr().out
    assert stored(tmp_path, build).reused


def test_killed_in_the_middle_nothing_half_built_is_found(tmp_path: Path, build: Builder) -> None:
    script = f"""
import os, pathlib, signal
from tests.retrieval.test_lucene_cache import Builder, stored
def half(folder):
    Builder()(folder)
    os.kill(os.getpid(), signal.SIGKILL)
stored(pathlib.Path({str(tmp_path)!r}), half)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).resolve().parents[2], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not list((tmp_path / "cache").glob("lucene/*"))
    assert not stored(tmp_path, build).reused
    assert stored(tmp_path, build).reused


def test_the_second_of_two_builders_takes_the_index_of_the_first(tmp_path: Path, build: Builder) -> None:
    def late(folder: Path) -> None:
        stored(tmp_path, build, run="quick")
        build(folder)

    mine = stored(tmp_path, late, run="slow")
    assert not mine.reused, "it did the work all the same"
    assert [path.name for path in (tmp_path / "cache" / "lucene").iterdir()] == [mine.folder.name]
    found = stored(tmp_path, build)
    assert (found.reused, found.record) == (True, mine.record)


def test_a_failed_build_leaves_nothing_to_find(tmp_path: Path, build: Builder) -> None:
    def failing(folder: Path) -> None:
        build(folder)
        raise RunFailed("Lucene could not write its index")

    with pytest.raises(RunFailed, match="could not write"):
        stored(tmp_path, failing)
    assert not stored(tmp_path, build).reused


def test_a_full_disk_is_explained(tmp_path: Path, build: Builder) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device", str(folder / "_0.doc"))

    with pytest.raises(RunFailed, match=r"cannot write the index .*_0\.doc: No space left on device"):
        stored(tmp_path, full)
    assert not stored(tmp_path, build).reused
