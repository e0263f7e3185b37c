"""Errors that are meant for people.

HarnessError            anything we can explain; printed without a traceback
├── InputError          exit 2: what the user gave is wrong (file, flag, data, database)
│   ├── SubmissionError     a submission file
│   ├── DataError           a data set
│   ├── UnknownName         a task, suite, model, run … that does not exist; suggests the nearest
│   └── StoreError          the results database
├── RunFailed           exit 1: the model crashed, was killed, or broke a limit
└── InvalidPrediction   exit 1: the model's answer breaks the protocol
"""

from __future__ import annotations

from collections.abc import Iterable


class HarnessError(Exception):
    """An error with a sentence for people, and a hint on what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(HarnessError):
    """Something the user gave is wrong."""

    exit_code = 2


class SubmissionError(InputError):
    """A submission file that cannot be used."""

    field: tuple[str | int, ...] = ()
    """Key path below `model:` of the setting at fault, where one is; `harness.config.in_field` says so."""


class DataError(InputError):
    """A data set that is missing, broken or not what it claims to be."""


class StoreError(InputError):
    """A results database that cannot be opened or written."""


class UnknownName(InputError):
    """A name that nothing is registered under."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        near = nearest(name, known)
        command = {"task": "tasks", "model": "models", "suite": "suites"}.get(what, "results")
        hint = f"Did you mean {near!r}?" if near else f"`harness {command}` lists them."
        super().__init__(f"there is no {what} {name!r}", hint=hint)


class RunFailed(HarnessError):
    """A run that could not be finished; the same command resumes it."""


class InvalidPrediction(HarnessError):
    """A prediction that breaks the task's protocol."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to a misspelt one, if any is close."""
    import difflib

    names = list(known)
    begun = [candidate for candidate in names if name and candidate.lower().startswith(name.lower())]
    matches = begun or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return matches[0] if matches else None
