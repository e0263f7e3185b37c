"""What all tests share: places of their own, real data where it is, and skips that say what they lack."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import main
from harness.contract import Places

Harness = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or leaves anything in the user's cache; the generated data is shared by a worker's tests."""
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def data_root() -> Path:
    """The folder of real data sets; skips without one."""
    root = os.environ.get("HARNESS_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("needs real data: set HARNESS_DATA to a data root")
    return Path(root)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An empty data root and cache."""
    return Places(data=tmp_path / "data", cache=tmp_path / "cache")


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """Runs the command line as a user would, in an empty folder."""

    def run(
        *arguments: object, env: dict[str, str] | None = None, timeout: float = 240
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | (env or {}), timeout=timeout
        )

    return run


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs the command line in this process, in an empty folder, and checks what holds for all commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["harness", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capfd.readouterr()
        assert isinstance(code, int)
        assert not [line for line in captured.err.splitlines() if line.startswith("Traceback")], "a model's is quoted"
        assert "internal error" not in captured.err
        assert not set(captured.out + captured.err) & set("\x1b\x07\u202e"), "nothing acts on the terminal"
        return Ended(code, captured.out, captured.err)

    return run


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """HARNESS_REQUIRE_ALL=1 turns a skip into a failure, so that nothing goes untested unseen."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("HARNESS_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"skipped although HARNESS_REQUIRE_ALL is set: {report.longrepr}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Skips by family: the folder of the test below tests/."""
    families: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        family = report.nodeid.removeprefix("tests/").partition("/")[0].partition(".py")[0]
        families[family] = families.get(family, 0) + 1
    if families:
        listed = ", ".join(f"{family} {count}" for family, count in sorted(families.items()))
        terminalreporter.write_line(f"skips by family: {listed}")
