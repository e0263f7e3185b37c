"""Text files of strangers, line by line: plain, gzipped or xz, with a bound on a line and errors that name it."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from harness.errors import DataError

_LONGEST = 1 << 20
AGAIN = "It may be half-downloaded: fetch it again."


def numbered(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines without their ends, counted from 1; blank ones are passed over.

    Raises `DataError` for a file that cannot be read or unpacked, and for a line of more than a megabyte.
    """
    try:
        with opened(path) as file:
            for number in range(1, 1 << 40):
                line = file.readline(_LONGEST + 1)
                if not line:
                    return
                if len(line) > _LONGEST:
                    raise DataError(f"{path}, line {number}: more than {_LONGEST:,} bytes long")
                if line := line.rstrip(b"\r\n"):
                    yield number, line
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}", hint=AGAIN) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def opened(path: Path) -> IO[bytes]:
    """The file, unpacked as its suffix says."""
    match path.suffix:
        case ".gz":
            return gzip.open(path)  # type: ignore[return-value]
        case ".xz":
            return lzma.open(path)
    return path.open("rb")
