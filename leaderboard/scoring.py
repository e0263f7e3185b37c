"""Scoring an uploaded file of answers: `harness eval` in a process of its own, with limits."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import yaml

from harness.contract import Places

_SECONDS = 600
_MEMORY = "4G"


@dataclass(frozen=True)
class Scored:
    """How it ended: a sentence, and the run's key where there is one."""

    said: str
    run: str = ""


def score(content: bytes, name: str, task: str) -> Scored:
    """Keep the file under its digest and evaluate it as a submission of kind `replay`."""
    folder = Places.default().cache / "uploads" / hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "answers").write_bytes(content)
    submission = folder / "submission.yaml"
    submission.write_text(yaml.safe_dump({"name": name, "model": {"kind": "replay", "path": "answers"}}))
    command = [sys.executable, "-m", "harness.cli", "eval", str(submission), "--task", task, "--json"]
    limits = ["--time-limit", str(_SECONDS), "--memory-limit", _MEMORY]
    database = ["--db", os.environ.get("HARNESS_DB", "results.db")]
    try:
        done = subprocess.run([*command, *limits, *database], capture_output=True, text=True, timeout=2 * _SECONDS)
    except subprocess.TimeoutExpired:
        return Scored(f"Scoring took over {2 * _SECONDS} seconds and was stopped.")
    try:
        (outcome,) = json.loads(done.stdout)
    except ValueError:
        return Scored(done.stderr.replace(f"{folder}/", "").strip())
    return Scored(_sentence(outcome).replace(f"{folder}/", ""), outcome["run"] if outcome["results"] else "")


def _sentence(outcome: dict[str, Any]) -> str:
    if not outcome["results"]:
        return f"{outcome['reason']} {outcome['next_step']}".strip()
    first = outcome["results"][0]
    state = "It had been scored before" if outcome["state"] == "unchanged" else "Scored"
    return f"{state}: {first['metric']} {first['value']:.4f} [{first['ci_low']:.4f}, {first['ci_high']:.4f}]."
