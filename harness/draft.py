"""The text of a submission file, checked before there is a file: what the leaderboard's Submit page needs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import SubmissionError
from harness.submission_check import Check
from harness.submission_fields import Fields
from harness.yamlfile import read_yaml


@dataclass(frozen=True)
class Draft:
    """What the file would be, without a look at the files that it names."""

    name: str
    kinds: tuple[str, ...]
    """Of the model, or of each stage."""
    runs_code: bool


def draft(text: str) -> Draft:
    """Check the text, reading nothing else. Raises `SubmissionError` with a line for each thing wrong."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "submission.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            check = Check(path, read_yaml(path))
            fields, parts = check.validate(Fields, check.file.data), check.parts()
            if fields is None or check.found:
                raise check.error()
        except SubmissionError as error:
            raise SubmissionError(error.message.replace(f"{folder}/", ""), hint=error.hint) from error
    return Draft(fields.name, tuple(part.name for part in parts), any(part.kind.runs_code for part in parts))
