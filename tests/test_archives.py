"""A zip from the internet is unpacked whole, or refused and nothing is left behind."""

import stat
import zipfile
from pathlib import Path

import pytest

from harness.archives import unpack_zip
from harness.errors import DataError

LIMITS = {"max_bytes": 10_000_000, "max_ratio": 100.0, "max_files": 100}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "data"


def make_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, compression)
    return path


def refuses(path: Path, target: Path, match: str, **limits: float) -> None:
    with pytest.raises(DataError, match=match):
        unpack_zip(path, target, **{**LIMITS, **limits})  # type: ignore[arg-type]
    assert list(target.parent.iterdir()) == [], "something was left behind"


def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"set/": b"", "set/corpus.jsonl": b"{}\n", "set/qrels/test.tsv": b"x"})
    unpack_zip(path, target, **LIMITS)  # type: ignore[arg-type]
    assert (target / "set" / "corpus.jsonl").read_bytes() == b"{}\n"
    assert (target / "set" / "qrels" / "test.tsv").read_bytes() == b"x"
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) & 0o500 == 0o500


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "C:evil", "..\\evil", "\\\\host\\evil"]
)
def test_an_entry_that_leads_elsewhere_is_refused(tmp_path: Path, target: Path, name: str) -> None:
    path = make_zip(tmp_path / "slip.zip", {"good": b"1", name: b"evil"})
    refuses(path, target, "leads out of its folder|not a relative path")
    assert list(tmp_path.rglob("*evil*")) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, target: Path, kind: int) -> None:
    entry = zipfile.ZipInfo("innocent")
    entry.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    refuses(tmp_path / "link.zip", target, "link or a device")


def test_a_bomb_is_stopped_by_its_ratio(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "bomb.zip", {"zeros": bytes(9_000_000)})
    refuses(path, target, "unpacks to more than")


def test_the_total_is_bounded_whatever_the_ratio(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "big.zip", {str(i): bytes(range(256)) * 40 for i in range(10)})
    refuses(path, target, "more than 100,000 bytes", max_bytes=100_000, max_ratio=1e9)


def test_entries_that_share_one_compressed_stream_count_each_time(tmp_path: Path, target: Path) -> None:
    """The "better zip bomb": many names in the directory point at the same bytes."""
    path = make_zip(tmp_path / "overlap.zip", {"kernel": bytes(500_000)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist += archive.filelist * 30
        archive._didModify = True  # type: ignore[attr-defined]
    refuses(path, target, "unpacks to more than|not a zip file|cannot unpack")


def test_a_header_that_lies_about_the_size_is_found_out(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "liar.zip", {"a": bytes(200_000)})
    content = path.read_bytes()
    true_size = (200_000).to_bytes(4, "little")
    assert content.count(true_size) == 2
    path.write_bytes(content.replace(true_size, (10).to_bytes(4, "little")))
    refuses(path, target, "not a zip file that can be read", max_ratio=1e6)


def test_too_many_entries_are_refused(tmp_path: Path, target: Path) -> None:
    refuses(make_zip(tmp_path / "many.zip", dict.fromkeys(map(str, range(101)), b"")), target, "101 entries")


def test_an_encrypted_entry_is_refused(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "secret.zip", {"a": b"secret"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    refuses(path, target, "encrypted")


def test_the_same_name_twice_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "2.zip", "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    refuses(tmp_path / "2.zip", target, "cannot unpack")


@pytest.mark.parametrize("damage", ["cut", "flip", "text"])
def test_a_damaged_archive_is_refused_with_advice(tmp_path: Path, target: Path, damage: str) -> None:
    path = make_zip(tmp_path / "half.zip", {"a": bytes(range(256)) * 100}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[5000] ^= 255
    path.write_bytes({"cut": content[:9000], "flip": content, "text": b"<html>not found</html>"}[damage])
    refuses(path, target, "not a zip file that can be read")


def test_compression_that_we_do_not_bound_is_refused(tmp_path: Path, target: Path) -> None:
    path = make_zip(tmp_path / "lzma.zip", {"a": b"text"}, zipfile.ZIP_LZMA)
    refuses(path, target, "other than deflate")


def test_an_existing_folder_is_never_overwritten(tmp_path: Path, target: Path) -> None:
    target.mkdir()
    (target / "mine").write_text("precious")
    with pytest.raises(DataError, match="exists already"):
        unpack_zip(make_zip(tmp_path / "a.zip", {"mine": b"theirs"}), target, **LIMITS)  # type: ignore[arg-type]
    assert (target / "mine").read_text() == "precious"
