"""A submission file: a model described in YAML, checked strictly and named by a digest of what it means.

name: bm25                # up to 100 characters, shown as text
description: …            # optional, as are url (http or https) and licence
model:                    # or `stages:`, a list of such
  kind: bm25              # what `harness models` lists; its settings follow
  k1: 0.9
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.config import ModelConfig
from harness.contract import Model
from harness.errors import SubmissionError, nearest
from harness.models.pipeline import Pipeline, PipelineConfig, StageSpec, labels
from harness.registry import model_kind
from harness.submission_check import Check, Part
from harness.submission_fields import Fields
from harness.sweep import expanded
from harness.yamlfile import YamlFile, read_yaml


@dataclass(frozen=True)
class Submission:
    """A submission file that was found valid."""

    path: Path
    """The file, absolute."""
    name: str
    description: str
    url: str
    licence: str
    kind: str
    """`pipeline` for a file with `stages:`."""
    config: ModelConfig
    """Settings, an instance of the kind's own class; paths are resolved beside the file."""
    normalised: Mapping[str, Any]
    """The file as plain JSON values: defaults filled in, text (and so paths) as written."""
    artifacts: Mapping[str, str]
    """Content digests of the files that the model is made of."""
    digest: str
    """sha256 over name, and kind, version of the kind, settings and artifacts of the model or of each stage; nothing
    else of the file changes it."""
    floor: bool
    """True if the file says that the model solves nothing."""
    runs_code: bool
    """True if code comes with the file."""
    observes_cost: bool
    """False if answers were made elsewhere, so that their cost is unknown."""
    seeds: tuple[int, ...] = ()
    """Seeds that the file asks for; none leaves it to the command."""
    sweep: Mapping[str, Any] | None = None
    """Of which sweep it is one: `name`, `method`, and `trials`, the number of submissions in it."""

    @property
    def folder(self) -> Path:
        """What paths in the file are relative to."""
        return self.path.parent

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of the model, as plain JSON values: its `kind` and settings, or its `stages`."""
        found = self.normalised
        return dict(found["model"]) if "model" in found else {"stages": found["stages"]}

    @property
    def config_json(self) -> str:
        """The settings as JSON, paths as written; `config` is this, validated beside the file."""
        return _canonical({key: value for key, value in self.settings.items() if key != "kind"})

    def model(self, seed: int = 0) -> Model:
        """The model, not yet prepared."""
        return model_kind(self.kind)(self.config, seed)


def load(path: Path) -> Submission:
    """Read and check a submission file, and digest the files that the model is made of.

    Raises as `load_all`, and for a file that stands for several.
    """
    found = load_all(path)
    if found[0].sweep is not None:
        raise SubmissionError(f"{path} is a sweep, and stands for {len(found)} submissions", hint="Take `sweep:` out.")
    return found[0]


def load_all(path: Path) -> list[Submission]:
    """The submissions that a file stands for: one, or with `sweep:` at least one.

    Raises `SubmissionError`: for a missing file with the nearest one there is, for broken YAML as `read_yaml` does,
    else with a line "file:line: field: what was wrong; hint" for each thing wrong.
    """
    _check_is_file(path)
    file = read_yaml(path)
    if "sweep" not in file.data:
        return [_loaded(path, file)]
    check = Check(path, file)
    fields = check.validate(Fields, file.data)
    if "stages" in file.data:
        check.add(("sweep",), "the file has `stages`", "a sweep goes over fields of `model`")
    if fields is None or fields.sweep is None or check.found:
        raise check.error() if check.found else SubmissionError(f"{path}: `sweep` is empty")
    sweep, several = fields.sweep, list(expanded(file, fields.name, fields.sweep))
    about = {"name": fields.name, "method": sweep.method, "trials": len(several)}
    found = [_loaded(path, one) for one in several]
    return [
        replace(one, seeds=tuple(sweep.seeds), sweep=about, normalised={**one.normalised, "sweep": about})
        for one in found
    ]


def _loaded(path: Path, file: YamlFile) -> Submission:
    check = Check(path, file)
    fields = check.validate(Fields, file.data)
    parts = check.parts()
    if fields is None or check.found:
        raise check.error()
    about = fields.model_dump(exclude={"model", "stages", "floor", "sweep"})
    artifacts = [check.artifacts(part) for part in parts]
    described = _as_stages if "stages" in check.file.data else _as_model
    return Submission(
        path=path.absolute(),
        **about,
        floor=fields.floor,
        runs_code=any(part.kind.runs_code for part in parts),
        observes_cost=all(getattr(part.kind, "observes_cost", True) for part in parts),
        **described(about | ({"floor": True} if fields.floor else {}), parts, artifacts),
    )


def _as_model(about: dict[str, Any], parts: Sequence[Part], artifacts: Sequence[dict[str, str]]) -> dict[str, Any]:
    ((part,), (digests,)) = parts, artifacts
    return {
        "kind": part.name,
        "config": part.config,
        "normalised": {**about, "model": _written(part)},
        "artifacts": digests,
        "digest": _digest({"name": about["name"], **_identity(part, digests)}),
    }


def _as_stages(about: dict[str, Any], parts: Sequence[Part], artifacts: Sequence[dict[str, str]]) -> dict[str, Any]:
    identities = [_identity(part, digests) for part, digests in zip(parts, artifacts, strict=True)]
    names = labels([part.name for part in parts])
    return {
        "kind": Pipeline.kind,
        "config": PipelineConfig(stages=[StageSpec(part.name, part.kind, part.config) for part in parts]),
        "normalised": {**about, "stages": [_written(part) for part in parts]},
        "artifacts": {
            f"{name}/{file}": digest
            for name, digests in zip(names, artifacts, strict=True)
            for file, digest in digests.items()
        },
        "digest": _digest({"name": about["name"], "version": Pipeline.version, "stages": identities}),
    }


def _written(part: Part) -> dict[str, Any]:
    return {"kind": part.name, **part.settings}


def _identity(part: Part, artifacts: Mapping[str, str]) -> dict[str, Any]:
    return {"kind": part.name, "version": part.kind.version, "config": part.settings, "artifacts": artifacts}


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _check_is_file(path: Path) -> None:
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SubmissionError(f"there is no file {path}", hint=_did_you_mean(path)) from error
    except OSError:
        return  # reading it gives the reason
    if is_folder:
        raise SubmissionError(f"{path} is a folder, not a submission file", hint=f"Name its files: {path}/*.yaml")


def _did_you_mean(path: Path) -> str:
    files = {file.name: file for folder in (Path("submissions"), path.parent) for file in folder.glob("*.y*ml")}
    near = nearest(path.name, files)
    return f"Did you mean {files[near]}?" if near else "A submission is a YAML file, such as submissions/bm25.yaml."
