"""Where the official records of CodeSearchNet lie: as the published zip of a language, or unpacked; and their digests.

The digests are those of copies that can be seen today, for the official place is gone: the zips' md5 as ir_datasets
has them, the lists' and their records' sha256 as Git LFS has them in mikeljl/cocosoda (dataset/LANGUAGE). Another
digest is noted and no error: a list may have been written with other line ends, and the counts are checked anyway.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from harness.contract import Places
from harness.digest import file_digest
from harness.errors import DataError
from tasks.codesearchnet.records import Oddities, RecordFile

ZIPS = {
    "go": "c0288db91f067c95bb952577949e7b13",
    "java": "fea180077275d8f98f42a3386f492837",
    "javascript": "7649178a02f7b5c8fbccb64abe7946b6",
    "php": "62373f85cfae2f5d7422dc1e55fbbb50",
    "python": "07b49dd01fbac894fbdae22da6462e4f",
    "ruby": "6847c0149666334cc937909b0e2297ae",
}
"""md5 of LANGUAGE.zip."""
FILTERED = {
    "go/test.txt": "1e80efca30dde835ef5f88dda268cba16a524a8a38fb1dfd9103c32ac467ece2",
    "go/codebase.txt": "0d67f389f5ede5955d0b595f20eecad6639171fd338a6730ed6c978d9029b5b5",
    "go/test.jsonl": "4864a249c51f6755f0d81a7e5f7b7c6f38346b3a327beaef5894f61a10721d57",
    "go/codebase.jsonl": "08837e173bd3e7429ef9200a60f73d76eacb92d45bf7985c5d227e966b948fd8",
    "java/test.txt": "1c7ee7c3bc0681a450b963f4132bf4f3cbe8a9620c5bad078685f3d3eaf00981",
    "java/codebase.txt": "2e3fc2353625679b332d2119c2307e01964b1219cfc89ef93dcf5b5ab99f8ab1",
    "java/test.jsonl": "9ef49e5e9a9ba10cdd6f645dd986881921b0cce845d11619061d9a3fce1a60c9",
    "java/codebase.jsonl": "ed275c193ecc5fe4a4db61fbe06617d228939a3ba1c9fc81fefc6daf601a327e",
    "javascript/test.txt": "0bb6fe6858b6d87acfc085e6875a07525e64c60f8d52d4b589d045c3f7b27818",
    "javascript/codebase.txt": "b98ecb4ef5611c8fec45a2d8ef971c538756b845b89b12ab60930465d2c00e47",
    "javascript/test.jsonl": "419baa75e761dd915a055d47c918b6f04723179589e1b8818ccc625919f605d4",
    "javascript/codebase.jsonl": "9928fee80b1d0a8e6a1f54eede3afea88698838129d412bcac3f2e8b740547bd",
    "php/test.txt": "00de5b6b182a092b4f6bb4febc094f982c20bd250235059e27be4e178b00e670",
    "php/codebase.txt": "19755ef853ed551ea1ae55cfa61c41a4be55bb77616b840fee0bd3ba1fd1f023",
    "php/test.jsonl": "fbb191996dbe0c1bc6be1e567b1d6b5ee49a39a101cf8f74da292d1b148943e8",
    "php/codebase.jsonl": "45862ef912685fde8a974382f252933a90adb2a25840b8831935904b2d5227f9",
    "python/test.txt": "cea313d080285e38aac49ef182cc345be24f8f0c13c1b7d4c959eb31e0e8a7fa",
    "python/codebase.txt": "057c49e1779984a18a07bcdbbbaa55532351a56427423b21506d388d354b1cbc",
    "python/test.jsonl": "7cd69b6bfb03e61bc4791a83048066e3eefcb86839ac194c6657434c7c2b9ecb",
    "python/codebase.jsonl": "87d9748a2830b3002ab545cb3a18427755e1218895f6776e20907a4638cdf046",
    "ruby/test.txt": "c48697f5648c8b52961504d018e5eba15b33534e10b6c5566855ba407121c766",
    "ruby/codebase.txt": "6d09bf0ef452351415dde0ee97725b1fb983189f2c5bb90bc1ea1f70ef9bb368",
    "ruby/test.jsonl": "7c5a3797c2622b03d8a301e13a5329ea0dce159092621d04a5eaa524e8773bee",
    "ruby/codebase.jsonl": "ee928378ee3de949c2714bca524c87128cb280cde80a448b63b73164e4a4ee3e",
}
"""sha256 of GraphCodeBERT's lists, and of what its preprocess.py makes of the records with them."""


def folder(places: Places, protocol: str, language: str) -> Path:
    return places.data / "codesearchnet" / protocol / language


def zip_of(places: Places, language: str) -> Path:
    """Where the published zip of a language goes, for whatever protocol."""
    return places.data / "codesearchnet" / "official" / f"{language}.zip"


def zipped(path: Path, ending: str) -> Sequence[RecordFile]:
    """The files of a zip whose names have that ending, in order. Raises `DataError` for what is no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(ending))
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"cannot read {path}: {error}", hint="It may be half-downloaded.") from error
    return [zipfile.Path(str(path), name) for name in names]


def note_digest(path: Path, expected: str, algorithm: str, odd: Oddities) -> None:
    """Say so where a file has other bytes than the copy whose digest is known."""
    if (found := file_digest(path, algorithm)) != expected:
        odd.add("files_of_other_bytes", f"{path}: {algorithm} {found}, but the known copy has {expected}")
