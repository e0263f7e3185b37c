"""The names that outside packages rely on, what importing costs, and which package may know which."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import contract

ROOT = Path(__file__).parent.parent

HEAVY = {"torch", "transformers", "pandas", "ir_datasets", "wordllama"}

LEADERBOARD = """
import importlib, pkgutil, leaderboard
for module in pkgutil.iter_modules(leaderboard.__path__):
    if module.name != "app":  # the script itself
        importlib.import_module(f"leaderboard.{module.name}")
"""

CONTRACT = {
    # what a model is given
    *("Capability", "Image", "ByteSequence", "Prompt", "Input", "Example", "Document", "Labelled", "Corpus"),
    *("LabelledSet", "Column", "Request", "Inputs", "Progress", "Charge", "Resources"),
    # what a model answers
    *("Ranking", "Classes", "Texts", "LogLikelihood", "Failure", "Output", "Usage", "Prediction"),
    *("Cost", "Prepared", "Model"),
    # what a task is
    *(
        "TaskCard",
        "FloatArray",
        "Aggregate",
        "Metric",
        "Scorer",
        "Workload",
        "Line",
        "AuditRow",
        "Places",
        "DataStatus",
        "Task",
        "Family",
    ),
    # tasks that are averaged
    "Suite",
}


def defined_in(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements define at the top level, imports aside."""
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.If(body=inner):
                yield from defined_in(inner)


def test_contract_exports_what_others_rely_on() -> None:
    assert set(contract.__all__) == CONTRACT
    written = [ast.parse(file.read_text()) for file in (ROOT / "harness" / "contract").glob("*.py")]
    defined = {name for tree in written for name in defined_in(tree.body) if not name.startswith("_")}
    assert defined - {"__all__"} == CONTRACT


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import harness.cli", set()),
        ("import harness.submission", set()),
        ("import harness.store.read", set()),
        ("import harness.registry as r; assert r.families() and r.tasks() and not r.problems()", set()),
        ("import harness.registry as r; assert r.model_kinds() and not r.problems()", set()),
        ("import harness.worker, harness.loop, harness.pilot", set()),
        (LEADERBOARD, {"pandas"}),
    ],
)
def test_imports_stay_light(statement: str, allowed: set[str]) -> None:
    assert not HEAVY & modules_after(statement) - allowed


def test_help_needs_next_to_nothing() -> None:
    assert not modules_after("import harness.cli") & {"numpy", "sqlalchemy", "pydantic", "msgspec", "rich", "psutil"}


def modules_after(statement: str) -> set[str]:
    """Modules that are loaded once a fresh interpreter has run the statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


# --- Who may know whom ----------------------------------------------------------------------------------------------

HELPERS = {"contract", "errors"}
TASKS_MAY_IMPORT = HELPERS | {"flowcharts", "metrics", "archives", "digest", "ids", "records", "source_code"}
LEADERBOARD_MAY_IMPORT = HELPERS | {
    "limits",
    "flowcharts",
    "store",
    "submission",
    "suite",
    "comparison",
    "draft",
    "metrics",
    "efficiency",
    "plain",
    "units",
    "registry",
    "reference",
}


def sources(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found
    return found


def imported(source: Path) -> set[str]:
    """Modules that a file imports anywhere, in functions too, as dotted names of what is imported."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{source}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def packages(source: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(source)}


def harness_modules(source: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(source) if name.startswith("harness.")}


def shown(source: Path) -> str:
    return str(source.relative_to(ROOT))


@pytest.mark.parametrize("source", sources("harness"), ids=shown)
def test_engine_knows_no_task_and_no_screen(source: Path) -> None:
    assert not packages(source) & {"tasks", "leaderboard", "streamlit"}


@pytest.mark.parametrize("source", sources("tasks"), ids=shown)
def test_tasks_know_the_contract_and_no_model(source: Path) -> None:
    assert harness_modules(source) <= TASKS_MAY_IMPORT
    assert "leaderboard" not in packages(source)


@pytest.mark.parametrize("source", sources("leaderboard"), ids=shown)
def test_leaderboard_reads_the_store(source: Path) -> None:
    assert harness_modules(source) <= LEADERBOARD_MAY_IMPORT
    assert "tasks" not in packages(source)


@pytest.mark.parametrize("source", sources("harness/models"), ids=shown)
def test_models_know_no_store_and_no_other_engine_part(source: Path) -> None:
    assert not harness_modules(source) & {"store", "loop", "executor", "worker", "commands", "cli"}


def test_only_the_loop_writes_results() -> None:
    engine = [source for source in sources("harness") if source.parent.name != "store"]
    writers = {shown(s) for s in [*engine, *sources("leaderboard")] if "harness.store.recorder.Recorder" in imported(s)}
    assert writers == {"harness/loop.py"}
