"""Names become tasks and model kinds through entry points: ours and, by the same door, anybody's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import registry
from harness.errors import DataError, InputError, UnknownName

_FAMILY = """
from pathlib import Path
from harness.contract import TaskCard
from harness.errors import DataError

class Task:
    def __init__(self, name):
        self.card = TaskCard(
            name=name, family="acme", protocol="acme-1", primary_metric="accuracy", needs=frozenset(), description="")

class Acme:
    name = "acme"
    def tasks(self):
        return [Task("acme/hard"), Task("acme/easy")]
    def open(self, path):
        if not path.is_dir():
            raise DataError(f"no folder {path}")
        return Task(f"acme:{path.name}")

FAMILY = Acme()
"""
_KIND = """
from harness.config import ModelConfig

class Kind:
    kind, version, runs_code, Config = "acme-model", "1", False, ModelConfig
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution as pip would leave it: a module, its name and its entry points."""

    def _install(distribution: str, source: str, *, tasks: str = "", models: str = "") -> None:
        site = tmp_path / distribution
        info = site / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        info.joinpath("entry_points.txt").write_text(
            f"[equal_footing.tasks]\n{tasks}\n[equal_footing.models]\n{models}\n"
        )
        site.joinpath(f"{distribution}.py").write_text(source)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, distribution, raising=False)

    return _install


def test_a_third_party_family_is_found_like_our_own(install: Install) -> None:
    install("acme_tasks", _FAMILY, tasks="acme = acme_tasks:FAMILY")
    assert {"acme", "beir"} <= registry.families().keys()
    assert registry.task("acme/easy").card.name == "acme/easy"
    assert {"acme/easy", "acme/hard", "beir/scifact"} <= {task.card.name for task in registry.tasks()}


def test_a_path_after_the_family_opens_a_users_own_data(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme_tasks", _FAMILY, tasks="acme = acme_tasks:FAMILY")
    (tmp_path / "deep" / "my data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("acme:deep/my data", f"acme:{tmp_path}/deep/my data", "acme:~/deep/my data"):
        assert registry.task(name).card.name == "acme:my data"
    with pytest.raises(DataError, match="no folder nowhere"):
        registry.task("acme:nowhere")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("acme/esy", "acme/easy"),
        ("acne/easy", "acme/easy"),
        ("easy", "acme/easy"),
        ("acne:data", "acme:data"),
        ("beir/scifcat", "beir/scifact"),
    ],
)
def test_an_unknown_task_suggests_the_nearest(install: Install, name: str, nearest: str) -> None:
    install("acme_tasks", _FAMILY, tasks="acme = acme_tasks:FAMILY")
    with pytest.raises(UnknownName) as caught:
        registry.task(name)
    assert repr(name) in caught.value.message
    assert caught.value.hint == f"Did you mean {nearest!r}?"


@pytest.mark.parametrize("name", ["", "/", ":", "acme", "acme/", "<script>", "\x1b[31m"])
def test_a_name_that_is_like_none_is_an_unknown_name(install: Install, name: str) -> None:
    install("acme_tasks", _FAMILY, tasks="acme = acme_tasks:FAMILY")
    with pytest.raises(UnknownName) as caught:
        registry.task(name)
    assert caught.value.hint
    assert "\x1b" not in caught.value.message


def test_a_third_party_model_kind_is_found_like_our_own(install: Install) -> None:
    install("acme_models", _KIND, models="acme-model = acme_models:Kind")
    assert registry.model_kind("acme-model").kind == "acme-model"
    assert {"acme-model", "bm25"} <= registry.model_kinds().keys()
    assert "acme-model" in registry.model_kind_names()
    with pytest.raises(UnknownName) as caught:
        registry.model_kind("acme-modle")
    assert caught.value.hint == "Did you mean 'acme-model'?"


def test_a_kind_is_loaded_without_the_others(install: Install) -> None:
    install("acme_models", _KIND, models="acme-model = acme_models:Kind")
    install("acme_other", _KIND, models="acme-other = acme_other:Kind")
    registry.model_kind("acme-model")
    assert "acme_models" in sys.modules
    assert "acme_other" not in sys.modules


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_library_that_is_not_installed", "No module named 'a_library_that_is_not_installed'"),
        ("raise RuntimeError('no licence key')", "no licence key"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("", "has no attribute"),
        ("class Kind: kind = 'x'\nFAMILY = Kind()", "which has no"),
    ],
)
def test_what_cannot_be_loaded_breaks_nothing_else(install: Install, source: str, reason: str) -> None:
    install("acme_broken", source, tasks="broken = acme_broken:FAMILY", models="broken = acme_broken:Kind")
    assert "broken" not in registry.families()
    assert "broken" not in registry.model_kinds()
    assert registry.task("beir/scifact").card.name == "beir/scifact"
    assert registry.model_kind("bm25").kind == "bm25"

    problems = [problem for problem in registry.problems() if "'broken' of acme_broken" in problem]
    assert len(problems) == 2
    assert all(reason in problem for problem in problems)
    for ask in (registry.model_kind, lambda name: registry.task(f"{name}/x")):
        with pytest.raises(InputError) as caught:
            ask("broken")
        assert reason in caught.value.message
        assert caught.value.hint


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("acme_one", _KIND, models="acme-model = acme_one:Kind\nacme-one = acme_one:Kind")
    install("acme_two", _KIND, models="acme-model = acme_two:Kind")
    with pytest.raises(InputError) as caught:
        registry.model_kind("acme-model")
    assert "acme_one" in caught.value.message
    assert "acme_two" in caught.value.message
    assert "acme-one" in registry.model_kinds()
    assert "acme-model" not in registry.model_kinds()
    assert any("'acme-model' is registered" in problem for problem in registry.problems())


def test_everything_that_ships_loads() -> None:
    assert registry.problems() == []
