"""Configurations of Hugging Face models, found and checked: nothing of a stranger's is run unless that is allowed."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from transformers import PretrainedConfig

DTYPES = ("bfloat16", "float16", "float32")
_LARGEST_FILE = 10_000_000
_ALLOWED = "harness_allows_code"


def load_config(source: str, *, allow_code: bool = False) -> PretrainedConfig:
    """The configuration named by a path (file or folder), a hub id, or a name that ships with the project.

    Raises `InputError` if there is none, if transformers does not know its model type, or if it needs code of its own
    and that is not allowed. With `allow_code` that code runs here, as you; `brings_code` says whether it did.
    """
    shipped = _shipped()
    if source in shipped:
        return _parsed(shipped[source].read_text(), source, False)
    path = Path(source).expanduser()
    path = path / "config.json" if path.is_dir() else path
    if path.is_file():
        return _parsed(_read(path), str(path), allow_code)
    if "/" not in source or path.suffix == ".json":
        near = nearest(source, shipped)
        hint = f"Did you mean {near!r}?" if near else f"These ship with the project: {', '.join(sorted(shipped))}."
        raise InputError(f"there is no configuration {source!r}, as a file or by name", hint=hint)
    return _from_hub(source, allow_code)


def brings_code(config: PretrainedConfig) -> bool:
    """Whether the model is code that came with its configuration, and that was allowed to run."""
    return bool(getattr(config, _ALLOWED, False))


def shipped_configs() -> tuple[str, ...]:
    """Names of the configurations that ship with the project."""
    return tuple(sorted(_shipped()))


def check_dtype(dtype: str) -> None:
    """Raise `InputError` for a dtype that models cannot be traced in."""
    if dtype not in DTYPES:
        near = nearest(dtype, DTYPES)
        hint = f"Did you mean {near!r}?" if near else f"One of {', '.join(DTYPES)}."
        raise InputError(f"there is no dtype {dtype!r} to trace in", hint=hint)


def check_positive(**numbers: int) -> None:
    """Raise `InputError` for one below 1."""
    for name, value in numbers.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it has to be at least 1")


def check_context(config: PretrainedConfig, tokens: int, what: str) -> None:
    """Raise `InputError` if that many tokens are beyond the model's positions."""
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    if isinstance(longest, int) and 0 < longest < tokens:
        raise InputError(
            f"{what} need {tokens} positions, and {config.model_type} has {longest}",
            hint="Ask for fewer tokens, or raise max_position_embeddings in the configuration.",
        )


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("harness.efficiency") / "configs"
    return {f.name.removesuffix(".json"): f for f in folder.iterdir() if f.name.endswith(".json")}


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise InputError(f"{path} has {size:,} bytes; a config.json has a few thousand")
        return path.read_text(errors="replace")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _parsed(text: str, where: str, allow_code: bool) -> PretrainedConfig:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}, line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(values, dict):
        raise InputError(f"{where} holds no JSON object", hint="It should be a Hugging Face config.json.")
    return _understood(values, where, allow_code)


def _understood(values: dict[str, Any], where: str, allow_code: bool) -> PretrainedConfig:
    """The configuration as transformers' own class. Raises `InputError` saying which field is wrong."""
    from transformers import CONFIG_MAPPING

    if values.get("auto_map"):
        if allow_code:
            return _with_its_code(where)
        raise InputError(
            f"{where}: the model brings code of its own (auto_map), which would run as you, with all that you may do",
            hint="Read the code; if you trust it, add --allow-code. Or use an architecture that transformers has.",
        )
    kind = values.get("model_type")
    if kind is None:
        raise InputError(f"{where} has no model_type", hint="It should be a Hugging Face config.json.")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING:
        near = nearest(str(kind), CONFIG_MAPPING.keys())
        hint = f"Did you mean {near!r}?" if near else "A newer transformers may know it."
        raise InputError(f"{where}: transformers knows no model_type {kind!r}", hint=hint)
    try:
        config = CONFIG_MAPPING[kind].from_dict({key: value for key, value in values.items() if key != "model_type"})
    except Exception as error:  # its checks raise whatever they like
        raise InputError(f"{where}: transformers refuses it: {error}", hint=f"Compare with another {kind}.") from error
    config.name_or_path = values.get("_name_or_path") or where
    return config


def _with_its_code(where: str) -> PretrainedConfig:
    """The configuration as its own class, from the code beside it. Raises `InputError` if that code fails."""
    from transformers import AutoConfig

    path = Path(where)
    source = str(path.parent.resolve()) if path.is_file() else where
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(source, trust_remote_code=True)
    except Exception as error:  # a stranger's code raises whatever it likes
        raise InputError(f"{where}: its own code failed: {type(error).__name__}: {error}") from error
    config.name_or_path = source
    setattr(config, _ALLOWED, True)
    return config


def _from_hub(name: str, allow_code: bool) -> PretrainedConfig:
    from transformers import PretrainedConfig

    try:
        values, _ = PretrainedConfig.get_config_dict(name)
    except Exception as error:  # no network, no such repository, not permitted: many classes, one answer
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"cannot get the configuration of {name!r}: {reason}",
            hint=f"Give the path of its config.json, or one that ships: {', '.join(shipped_configs())}.",
        ) from error
    if not values:
        raise InputError(f"the hub has no configuration for {name!r}", hint="Give the path of its config.json.")
    return _understood(values, name, allow_code)
