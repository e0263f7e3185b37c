"""How many numbers a model's weight files hold, from their headers alone."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from pathlib import Path


def parameters(files: Iterable[Path]) -> int:
    """Numbers in safetensors files; nothing but their headers is read."""
    from safetensors import safe_open

    total = 0
    for file in files:
        with safe_open(file, "numpy") as tensors:
            total += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return total


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model's folder: `model.safetensors` or its shards, else whatever there is."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
