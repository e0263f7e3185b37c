"""The documentation is complete and true: its examples run, its tables have everything, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from harness import registry
from harness.cli import cli
from harness.metrics.ranking import NAMES

Harness = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parent.parent
DOCS = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"])
MARKED = re.compile(r"^<!-- (file: (?P<file>\S+)|run) -->\n```\w*\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = {
    name: command
    for group_name, group in cli.commands.items()
    for name, command in (
        {f"{group_name} {inner}": command for inner, command in group.commands.items()}
        if isinstance(group, click.Group)
        else {group_name: group}
    ).items()
}


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# --- The examples, as a reader would follow them --------------------------------------------------------------------


class Reader:
    """Someone who writes the files that a document shows and types its commands."""

    def __init__(self, folder: Path, harness: Harness) -> None:
        self._folder, self._harness = folder, harness

    def writes_files_of(self, document: str) -> None:
        for block in MARKED.finditer(text_of(document)):
            if block["file"]:
                path = self._folder / block["file"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block["body"], encoding="utf-8")

    def installs_packages(self) -> None:
        """What `pip install ./folder` leaves of a package: its modules on the path, and its entry points."""
        for project_file in self._folder.glob("*/pyproject.toml"):
            project = tomllib.loads(project_file.read_text())["project"]
            info = project_file.parent / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            )
            groups = project["entry-points"].items()
            lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups]
            (info / "entry_points.txt").write_text("\n".join(lines))

    def runs_commands_of(self, document: str) -> list[str]:
        """The output of each command; all must succeed."""
        outputs = []
        for block in MARKED.finditer(text_of(document)):
            for line in [] if block["file"] else block["body"].splitlines():
                program, *arguments = shlex.split(line, comments=True)
                assert program == "harness"
                outputs.append(self.runs(*arguments))
        assert outputs, f"{document} has no commands"
        return outputs

    def runs(self, *arguments: str) -> str:
        packages = [str(file.parent) for file in self._folder.glob("*/pyproject.toml")]
        done = self._harness(*arguments, env={"PYTHONPATH": os.pathsep.join(packages)})
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def results(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        rows = json.loads(self.runs("results", "--json"))
        return {(row["submission"], row["task"], row["metric"]): row for row in rows}


@pytest.fixture
def reader(tmp_path: Path, harness: Harness) -> Reader:
    return Reader(tmp_path, harness)


def test_examples_of_tasks_work(reader: Reader) -> None:
    reader.writes_files_of("docs/tasks.md")
    reader.installs_packages()
    reader.runs_commands_of("docs/tasks.md")
    results = reader.results()
    assert results["bm25", "beir:books", "nDCG@10"]["value"] == pytest.approx(1.0)
    for task in ("spam/mail", "spam:mail"):
        assert results["by hand", task, "accuracy"]["value"] == pytest.approx(0.75)
        assert results["by hand", task, "spam_recall"]["value"] == pytest.approx(0.5)
    digests = {row["task_digest"] for (_, task, _), row in results.items() if task.startswith("spam")}
    assert len(digests) == 1, "the same data under another name is the same data"
    (shown,) = [row for row in json.loads(reader.runs("tasks", "--json")) if row["task"] == "spam/mail"]
    assert (shown["licence"], shown["data"]) == ("CC0-1.0", "manual")


def test_examples_of_models_work(reader: Reader) -> None:
    reader.writes_files_of("docs/tasks.md")
    reader.writes_files_of("docs/models.md")
    reader.installs_packages()
    outputs = reader.runs_commands_of("docs/models.md")
    results = reader.results()
    assert results["my run", "beir:books", "AP"]["value"] == pytest.approx(0.5), "q2's book is not in the run"
    assert results["tf-idf", "beir:books", "nDCG@10"]["value"] == pytest.approx(1.0)
    assert results["tf-idf", "beir:books", "nDCG@10"]["runs_code"]
    assert results["4-grams", "beir:books", "nDCG@10"]["value"] == pytest.approx(1.0)
    fused = results["BM25 + 4-grams", "beir:books", "nDCG@10"]
    assert fused["value"] == pytest.approx(1.0)
    assert [stage["kind"] for stage in fused["settings"]["stages"]] == ["bm25", "ngrams", "fuse"]
    assert any("Characters of an n-gram." in output for output in outputs)


def test_examples_of_reference_work(reader: Reader) -> None:
    reader.writes_files_of("docs/reference.md")
    _, listed = reader.runs_commands_of("docs/reference.md")
    assert "my model" in listed
    assert "self-reported" in listed


def test_the_python_file_of_the_docs_is_refused_without_consent(reader: Reader, harness: Harness) -> None:
    reader.writes_files_of("docs/tasks.md")
    reader.writes_files_of("docs/models.md")
    refused = harness("eval", "tfidf.yaml", "--task", "beir:books")
    assert refused.returncode == 2
    assert "--allow-code" in refused.stderr


def test_the_python_file_of_the_docs_has_at_most_twenty_lines() -> None:
    (source,) = [block["body"] for block in MARKED.finditer(text_of("docs/models.md")) if block["file"] == "tfidf.py"]
    assert len(source.splitlines()) <= 20


# --- Nothing is left out --------------------------------------------------------------------------------------------


def section_of(command: str) -> str:
    found = re.search(
        rf"^### `harness {command}\b.*?(?=^##)", text_of("docs/command_line.md"), re.DOTALL | re.MULTILINE
    )
    assert found, f"docs/command_line.md has no section on `harness {command}`"
    return found[0]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_flag_is_documented(command: str) -> None:
    section = section_of(command)
    for parameter in COMMANDS[command].params:
        names = parameter.opts if isinstance(parameter, click.Option) else []
        missing = [name for name in names if not re.search(rf"`{name}[` ]", section)]
        assert not missing, f"`harness {command}` has undocumented flags: {missing}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_documented_flags_exist(command: str) -> None:
    known = {name for parameter in COMMANDS[command].params for name in parameter.opts}
    assert set(re.findall(r"`(--[\w-]+)", section_of(command))) <= known


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_changelog_mentions_every_command(command: str) -> None:
    assert re.search(rf"`(harness )?{command}\b", text_of("CHANGELOG.md"))


def test_every_environment_variable_is_documented() -> None:
    sources = [*ROOT.glob("harness/**/*.py"), *ROOT.glob("tasks/**/*.py"), *ROOT.glob("leaderboard/**/*.py")]
    sources.append(ROOT / "tests" / "conftest.py")
    read = {name for source in sources for name in re.findall(r"\bHARNESS_[A-Z_]+\b", source.read_text())}
    assert read == set(re.findall(r"^\| `(HARNESS_[A-Z_]+)`", text_of("docs/command_line.md"), re.MULTILINE))


def test_fields_of_results_are_those_documented(reader: Reader, tmp_path: Path) -> None:
    reader.writes_files_of("docs/tasks.md")
    reader.runs("eval", "bm25.yaml", "--task", "beir:books")
    _, _, table = text_of("docs/command_line.md").partition("## Fields of `results --json`")
    first_cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    documented = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    for row in json.loads(reader.runs("results", "--json")):
        assert set(row) == documented


KINDS = tomllib.loads(text_of("pyproject.toml"))["project"]["entry-points"]["equal_footing.models"]


@pytest.mark.parametrize("kind", KINDS)
def test_model_kinds_are_explained(kind: str) -> None:
    assert f"| `{kind}` |" in text_of("docs/models.md")
    found = registry.model_kind(kind)
    assert (found.__doc__ or "").strip()
    settings = found.Config.model_json_schema()["properties"]
    assert not [name for name, setting in settings.items() if not setting.get("description", "").strip()]


@pytest.mark.parametrize("metric", NAMES)
def test_ranking_metrics_are_defined(metric: str) -> None:
    assert f"`{metric}`" in text_of("docs/methodology.md")


def test_task_cards_say_what_a_reader_must_know() -> None:
    for task in registry.tasks():
        card = task.card
        assert card.description.strip(), card.name
        assert card.licence not in ("", "unknown"), card.name
        assert re.fullmatch(r"[a-z][\w-]*-\d+", card.protocol), f"{card.name}: {card.protocol!r} has no version"
        assert card.name.startswith(f"{card.family}/")


# --- What ships -----------------------------------------------------------------------------------------------------


def links_of(document: Path) -> Iterator[Path]:
    """Files that a document links to, and those of the repository that it names."""
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"\w+:|#", target):
            yield document.parent / target.partition("#")[0]
    for named in re.findall(r"`((?:docs|harness|tasks|tests|leaderboard|submissions|benchmarks)/[\w/.-]+)`", text):
        yield ROOT / named


@pytest.mark.parametrize("document", DOCS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    dead = [str(link) for link in links_of(document) if not link.exists()]
    assert not dead
