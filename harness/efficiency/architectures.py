"""Hugging Face models built from a configuration: without weights, or with random ones, at any depth."""

from __future__ import annotations

import contextlib
import copy
import re
from typing import TYPE_CHECKING, Any, Literal

from harness.efficiency.trace import Attention
from harness.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

Role = Literal["causal", "encoder"]
_DEPTHS = ("num_hidden_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")


def build(config: PretrainedConfig, role: Role, dtype: str, attention: Attention, *, real: bool) -> torch.nn.Module:
    """The model without weights, or with random ones. Raises `InputError` if transformers cannot build it."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers.initialization import no_init_weights

    settings = {
        "dtype": getattr(torch, dtype),
        "attn_implementation": "sdpa" if attention == "fused" else "eager",
        "trust_remote_code": False,
    }
    with contextlib.ExitStack() as without_weights:
        if not real:
            without_weights.enter_context(FakeTensorMode())
            without_weights.enter_context(no_init_weights())
        try:
            model = _auto_class(config, role).from_config(copy.deepcopy(config), **settings)
        except (ValueError, ImportError) as error:
            raise InputError(f"transformers cannot build a model of type {config.model_type!r}: {error}") from error
        model.tie_weights()  # what skipping the initialisation skips as well
    module: torch.nn.Module = model.eval()
    return module


def _auto_class(config: PretrainedConfig, role: Role) -> Any:
    """The family of classes that plays the role. Raises `InputError` if the model type cannot."""
    import transformers

    auto: Any = {
        ("causal", False): transformers.AutoModelForCausalLM,
        ("causal", True): transformers.AutoModelForSeq2SeqLM,
        ("encoder", False): transformers.AutoModel,
        ("encoder", True): transformers.AutoModelForTextEncoding,
    }[role, bool(config.is_encoder_decoder)]
    if type(config) not in auto._model_mapping:
        what = "generates no text" if role == "causal" else "has no encoder that transformers knows"
        raise InputError(f"a model of type {config.model_type!r} {what}")
    return auto


def available_attention(config: PretrainedConfig, role: Role, attention: Attention) -> Attention:
    """What can be counted: a model without a fused form of its attention (or without any) runs its parts."""
    model = _auto_class(config, role)._model_mapping[type(config)]
    model = model[0] if isinstance(model, tuple) else model
    return attention if model._supports_sdpa else "eager"


def _sections(config: PretrainedConfig) -> list[PretrainedConfig]:
    return [config, *(getattr(config, name) for name in config.sub_configs if getattr(config, name, None) is not None)]


def depths_of(config: PretrainedConfig) -> list[int]:
    """Number of layers of each stack, the decoder's last."""
    return [getattr(s, f) for s in _sections(config) for f in _DEPTHS if _own(s, f)]


def sequential_layers(config: PretrainedConfig, role: Role, phase: str) -> int:
    """Layers that one phase goes through, one after the other; towers beside the text do not generate."""
    depths = depths_of(config)
    if role == "encoder":
        return depths[0] if config.is_encoder_decoder else sum(depths)
    if config.is_encoder_decoder:
        return depths[-1] if phase == "decode" else sum(depths)
    return int(config.get_text_config().num_hidden_layers)


def _own(section: PretrainedConfig, field: str) -> bool:
    """Whether the section has the field, and not only another name for one that is counted already."""
    target = section.attribute_map.get(field, field)
    if field == "num_hidden_layers" and (target in _DEPTHS[1:] or hasattr(section, "decoder_layers")):
        return False
    return isinstance(getattr(section, target, None), int)


def shallow(config: PretrainedConfig, layers: int) -> PretrainedConfig:
    """The same model with fewer layers."""
    less = copy.deepcopy(config)
    for section in _sections(less):
        for field in _DEPTHS:
            if _own(section, field):
                depth = getattr(section, field)
                setattr(section, field, layers)
                for name, value in vars(section).items():
                    if isinstance(value, list) and len(value) == depth:
                        setattr(section, name, value[:layers])
    return less


def layers_repeat(config: PretrainedConfig, whole: torch.nn.Module, layers: int) -> bool:
    """Whether all layers after the first have the same parameters and the same type."""
    if any(len(set(getattr(section, "layer_types", None) or [""])) > 1 for section in _sections(config)):
        return False
    shapes: dict[int, set[Any]] = {}
    for name, parameter in whole.named_parameters():
        if found := re.search(r"\.(\d+)\.", name):
            place = f"{name[: found.start()]}.*.{name[found.end() :]}"
            shapes.setdefault(int(found[1]), set()).add((place, tuple(parameter.shape)))
    return len(shapes) == layers and all(shapes[index] == shapes[1] for index in range(1, layers))
