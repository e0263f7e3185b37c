"""Whoever waits for large data sees how far it is; small data is loaded without a word."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from harness.progress import LoadProgress

SCRIPT = """
import time
from harness.progress import LoadProgress
with LoadProgress("beir/large") as shown:
    for done in range(0, 501, 100):
        shown.progress(done, 500, "MB of corpus.jsonl")
        time.sleep(0.12)
"""


def test_off_a_terminal_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LoadProgress("beir/large") as shown:
        for done in (0, 250, 500):
            shown.progress(done, 500, "MB of corpus.jsonl")
    assert capsys.readouterr().err == "beir/large: loading 500 MB of corpus.jsonl\n"


def test_small_data_is_loaded_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with LoadProgress("beir/scifact") as shown:
        shown.progress(8, 8, "MB of corpus.jsonl")
    assert capsys.readouterr().err == ""


def test_on_a_terminal_it_is_a_bar() -> None:
    ours, theirs = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0
    assert b"beir/large: MB of corpus.jsonl" in shown
    assert b"/500" in shown
