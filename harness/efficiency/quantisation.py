"""How many bytes the matrices of a model take when they are stored in fewer bits, with their scales.

What is quantised is what the formats quantise: linear layers and experts; embeddings, norms and biases stay as they
are. Activations do too. The layouts are those of the libraries that write them, named at each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

MatrixBytes = Callable[[int, int], int]
"""(inputs, outputs) of a linear layer -> bytes of its matrix, scales and zero points."""

WEIGHTS = ("int8", "int4", "int4-g64", "int4-g128", "int4-g256")
"""Formats of gpt-fast (quantize.py): int8 with a 16-bit scale an output, int4 with a 16-bit scale and zero a group."""

_GROUP_OF_INT4 = 32
_READ = ("gptq", "awq", "bitsandbytes", "fp8")


class Stored(NamedTuple):
    """A parameter as it lies in memory."""

    bytes: int
    arithmetic: str | None
    """dtype that products with it are computed in; None: that of the activations, after dequantisation."""


@dataclass(frozen=True)
class Quantisation:
    """A format of matrices, and which of a model's matrices are in it."""

    name: str
    matrix_bytes: MatrixBytes
    arithmetic: str | None = None
    kept: tuple[str, ...] = ()
    """Modules that are not quantised: a name's start or end, * for any part of it."""
    keeps_head: bool = True
    """Whether the output layer is not quantised either."""


def weight_only(name: str) -> Quantisation:
    """A format of `WEIGHTS`, for all linear layers. Raises `InputError` with the nearest for another name."""
    if name not in WEIGHTS:
        near = nearest(name, WEIGHTS)
        hint = f"Did you mean {near!r}?" if near else f"One of {', '.join(WEIGHTS)}."
        raise InputError(f"there is no format of weights {name!r}", hint=hint)
    if name == "int8":
        return Quantisation(name, _grouped(8, 0, scale_bits=16), keeps_head=False)
    group = int(name.partition("-g")[2] or _GROUP_OF_INT4)
    return Quantisation(name, _grouped(4, group, scale_bits=32), keeps_head=False)


def quantisation_of(config: PretrainedConfig) -> Quantisation | None:
    """What the configuration's `quantization_config` says; None without one.

    Raises `InputError` for a method that is not understood, naming those that are.
    """
    values = getattr(config, "quantization_config", None)
    if values is None:
        return None
    if not isinstance(values, Mapping):
        raise InputError("quantization_config holds no keys and values", hint="Compare with a published config.json.")
    method = values.get("quant_method") or ("bitsandbytes" if _is_bitsandbytes(values) else None)
    if method not in _READ:
        raise InputError(
            f"quantization_config: the method {method!r} is not understood",
            hint=f"Understood are {', '.join(_READ)}. Remove it and give --weights for a format that is close.",
        )
    return {"gptq": _gptq, "awq": _awq, "bitsandbytes": _bitsandbytes, "fp8": _fp8}[method](values)


def stored_parameters(module: torch.nn.Module, quantisation: Quantisation | None) -> dict[str, Stored]:
    """The parameters of a model that are quantised, by name."""
    if quantisation is None:
        return {}
    kept = [_pattern(name) for name in (*quantisation.kept, *(_heads(module) if quantisation.keeps_head else ()))]
    return {
        name: Stored(copies * quantisation.matrix_bytes(inputs, outputs), quantisation.arithmetic)
        for name, copies, inputs, outputs in _matrices(module)
        if not any(pattern.search(name.rpartition(".")[0]) for pattern in kept)
    }


# --- Formats -----------------------------------------------------------------------------------------------------


def _grouped(bits: int, group: int, *, scale_bits: int, index_bytes: int = 0) -> MatrixBytes:
    """A scale (and zero point) for each output and group of inputs; all inputs are one group if it is 0."""

    def size(inputs: int, outputs: int) -> int:
        groups = math.ceil(inputs / group) if group > 0 else 1
        return (
            math.ceil(inputs * outputs * bits / 8) + math.ceil(groups * outputs * scale_bits / 8) + index_bytes * inputs
        )

    return size


def _gptq(values: Mapping[str, Any]) -> Quantisation:
    """AutoGPTQ's and GPTQModel's QuantLinear: packed weights and zeros, 16-bit scales, a group index an input."""
    if values.get("dynamic"):
        raise InputError(
            "quantization_config.dynamic: rules for single modules are not understood",
            hint="Remove them and give bits and group_size for all.",
        )
    bits, group = _integer(values, "bits", (2, 3, 4, 8)), _integer(values, "group_size")
    size = _grouped(bits, group, scale_bits=16 + bits, index_bytes=4)
    name = f"GPTQ, {bits} bits, {_groups(group)}"
    return Quantisation(name, size, keeps_head=not values.get("lm_head"))


def _awq(values: Mapping[str, Any]) -> Quantisation:
    """AutoAWQ's WQLinear: packed weights and zeros, 16-bit scales."""
    bits = _integer(values, "bits", (4,)) if "bits" in values else _integer(values, "w_bit", (4,))
    group = _integer(values, "group_size") if "group_size" in values else _integer(values, "q_group_size")
    size = _grouped(bits, group, scale_bits=16 + bits)
    return Quantisation(f"AWQ, {bits} bits, {_groups(group)}", size, kept=_names(values, "modules_to_not_convert"))


def _bitsandbytes(values: Mapping[str, Any]) -> Quantisation:
    """bitsandbytes: LLM.int8() with a 32-bit scale an output, or 4 bits in blocks of 64 with a table of 16 values."""
    kept = _names(values, "llm_int8_skip_modules")
    keeps_head = values.get("llm_int8_skip_modules") is None
    if values.get("load_in_8bit"):
        size = _grouped(8, 0, scale_bits=32)
        return Quantisation("bitsandbytes, 8 bits", size, "int8", kept=kept, keeps_head=keeps_head)
    twice = bool(values.get("bnb_4bit_use_double_quant"))

    def blocks(inputs: int, outputs: int) -> int:
        count = math.ceil(inputs * outputs / 64)
        # Quantised twice, the scales are bytes in blocks of 256, with a 32-bit scale, an offset and a table of 256.
        scales = count + 4 * math.ceil(count / 256) + 4 + 4 * 256 if twice else 4 * count
        return math.ceil(inputs * outputs / 2) + scales + 4 * 16

    name = "bitsandbytes, 4 bits, blocks of 64" + (", scales of 8 bits" if twice else "")
    return Quantisation(name, blocks, kept=kept, keeps_head=keeps_head)


def _fp8(values: Mapping[str, Any]) -> Quantisation:
    """transformers' FineGrainedFP8 (DeepSeek-V3's layout): 8-bit floats, a 32-bit scale a block, or one for all."""
    for field, expected in (("expert_dtype", "fp8"), ("scale_fmt", "float")):
        if values.get(field, expected) != expected:
            raise InputError(f"quantization_config.{field}: {values[field]!r} is not understood", hint=expected)
    block = values.get("weight_block_size", (128, 128))
    if block is not None and not (
        isinstance(block, list | tuple) and len(block) == 2 and all(isinstance(n, int) and n > 0 for n in block)
    ):
        raise InputError(f"quantization_config.weight_block_size is {block!r}, not two sizes", hint="As [128, 128].")

    def size(inputs: int, outputs: int) -> int:
        scales = math.ceil(outputs / block[0]) * math.ceil(inputs / block[1]) if block else 1
        return inputs * outputs + 4 * scales

    name = "fp8" + (f", blocks of {block[0]} × {block[1]}" if block else "")
    kept = _names(values, "modules_to_not_convert") + _names(values, "ignored_layers")
    return Quantisation(name, size, "float8", kept=kept, keeps_head=not kept)


# --- Reading -----------------------------------------------------------------------------------------------------


def _is_bitsandbytes(values: Mapping[str, Any]) -> bool:
    return bool(values.get("load_in_8bit") or values.get("load_in_4bit"))


def _integer(values: Mapping[str, Any], field: str, allowed: tuple[int, ...] = ()) -> int:
    value = values.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or (allowed and value not in allowed):
        expected = f"one of {', '.join(map(str, allowed))}" if allowed else "an integer"
        raise InputError(f"quantization_config.{field} is {value!r}; it has to be {expected}", hint="See its library.")
    return value


def _names(values: Mapping[str, Any], field: str) -> tuple[str, ...]:
    names = values.get(field) or ()
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"quantization_config.{field} is not a list of names", hint="Such as ['lm_head'].")
    return tuple(names)


def _groups(size: int) -> str:
    return f"groups of {size}" if size > 0 else "whole rows"


def _pattern(name: str) -> re.Pattern[str]:
    """A module's name from its start to a dot, or to its end from a dot."""
    parts = ".*".join(map(re.escape, name.split("*")))
    return re.compile(rf"^{parts}(?=\.|$)|(?:^|\.){parts}$")


def _matrices(module: torch.nn.Module) -> Iterator[tuple[str, int, int, int]]:
    """(parameter's name, matrices in it, inputs, outputs) of linear layers and experts that no embedding shares."""
    import torch

    shared = {id(m.weight) for m in module.modules() if isinstance(m, torch.nn.Embedding)}
    for name, owner in module.named_modules():
        if isinstance(owner, torch.nn.Linear) and id(owner.weight) not in shared:
            yield f"{name}.weight", 1, owner.in_features, owner.out_features
        elif type(owner).__name__ == "Conv1D":  # GPT-2's linear layers, transposed
            inputs, outputs = owner.weight.shape
            yield f"{name}.weight", 1, inputs, outputs
        elif type(owner).__name__.endswith("Experts"):
            for part, weights in owner.named_parameters(recurse=False):
                if weights.dim() == 3:
                    experts, first, second = weights.shape
                    transposed = getattr(owner, "is_transposed", False)
                    yield f"{name}.{part}", experts, *((first, second) if transposed else (second, first))


def _heads(module: torch.nn.Module) -> Iterator[str]:
    """Names of the output layer, and of a classification head: the last linear layer outside the repeated ones."""
    import torch

    output_of: Any = getattr(module, "get_output_embeddings", None)
    output = output_of() if output_of else None
    linear = [(name, m) for name, m in module.named_modules() if isinstance(m, torch.nn.Linear)]
    for place, (name, layer) in enumerate(linear):
        is_last = place == len(linear) - 1 and not re.search(r"\.\d+\.", f".{name}.")
        if layer is output or (is_last and output is None):
            yield name
