"""What `harness profile` can be pointed at, and what is read from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.efficiency.model_configs import load_config
from harness.errors import InputError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from harness.submission import Submission


@dataclass(frozen=True)
class Target:
    """A model's configuration, and what its submission says of how it is run."""

    config: PretrainedConfig
    prompt_tokens: int | None = None
    dtype: str | None = None
    pooling: str | None = None
    normalize: bool = False


def resolve(target: str, *, allow_code: bool = False) -> Target:
    """The model behind a submission file, a config.json or its folder, a hub id, or a name that ships.

    Raises `InputError` for what is none of these, for a submission that has no model to trace (saying what to do
    instead), and for a model that brings code of its own unless that is allowed.
    """
    if not target.endswith((".yaml", ".yml")):
        return Target(load_config(target, allow_code=allow_code))
    from harness.submission import load

    return _of_submission(load(Path(target)), target)


def _of_submission(submission: Submission, file: str) -> Target:
    from harness.retrieval.encoder import locate

    settings: Any = submission.config
    named = getattr(settings, "model", None)
    if not isinstance(named, str):
        raise _has_no_model(submission, file)
    config = load_config(str(locate(named, getattr(settings, "revision", None))))
    similarity = getattr(settings, "similarity", None)
    return Target(
        config,
        prompt_tokens=getattr(settings, "max_length", None),
        dtype=getattr(settings, "dtype", None),
        pooling=getattr(settings, "pooling", None),
        normalize=bool(getattr(settings, "normalize", False)) or similarity == "cosine",
    )


def _has_no_model(submission: Submission, file: str) -> InputError:
    if not submission.observes_cost:
        return InputError(
            f"{file}: the answers of kind {submission.kind!r} were made elsewhere, so what they took is unknown",
            hint="Profile the configuration of the model that made them: its config.json.",
        )
    return InputError(
        f"{file}: kind {submission.kind!r} has no model to trace; what it does depends on the data",
        hint=f"It is priced from a run: `harness eval {file} --task T`, then `harness results --hardware NAME`.",
    )
