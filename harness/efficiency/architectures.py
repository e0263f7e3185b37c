"""Hugging Face models built from a configuration: without weights, or with random ones, at any depth."""

from __future__ import annotations

import contextlib
import copy
import re
from typing import TYPE_CHECKING, Any, Literal

from harness.efficiency.model_configs import brings_code
from harness.efficiency.trace import Attention
from harness.errors import InputError

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig

Role = Literal["causal", "encoder", "classifier", "multimodal"]
"""What a model is used as; a multimodal one generates text from images and text."""
Part = Literal["all", "text", "vision"]
_GENERATES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_CLASSIFIERS = ("ForSequenceClassification", "ForImageClassification")
_DEPTHS = ("num_hidden_layers", "num_decoder_layers", "encoder_layers", "decoder_layers", "depth")


def build(config: PretrainedConfig, role: Role, dtype: str, attention: Attention, *, real: bool) -> torch.nn.Module:
    """The model without weights, or with random ones. Raises `InputError` if transformers cannot build it."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from transformers.initialization import no_init_weights

    settings = {
        "dtype": getattr(torch, dtype),
        "attn_implementation": "sdpa" if attention == "fused" else "eager",
        "trust_remote_code": brings_code(config),
    }
    with contextlib.ExitStack() as without_weights:
        if not real:
            without_weights.enter_context(FakeTensorMode())
            without_weights.enter_context(no_init_weights())
        try:
            model = _auto_class(config, role).from_config(_unquantised(config), **settings)
        except Exception as error:  # sizes that do not fit together raise whatever they like
            raise InputError(
                f"a model of type {config.model_type!r} cannot be built: {type(error).__name__}: {error}",
                hint=f"Compare its sizes with those of another {config.model_type}.",
            ) from error
        model.tie_weights()  # what skipping the initialisation skips as well
    module: torch.nn.Module = model.eval()
    return module


def _unquantised(config: PretrainedConfig) -> PretrainedConfig:
    """A copy to build from: how matrices are stored changes what is read of them, not which products there are."""
    plain = copy.deepcopy(config)
    if getattr(plain, "quantization_config", None) is not None:
        del plain.quantization_config
    return plain


def classifies(config: PretrainedConfig) -> bool:
    """Whether the configuration names a classification head."""
    return any(name.endswith(_CLASSIFIERS) for name in config.architectures or [])


def reads_images_alone(config: PretrainedConfig) -> bool:
    """Whether its input is an image and no text."""
    named = any(name.endswith("ForImageClassification") for name in config.architectures or [])
    return named or (hasattr(config, "image_size") and getattr(config, "vision_config", None) is None)


def _auto_class(config: PretrainedConfig, role: Role) -> Any:
    """The family of classes that plays the role. Raises `InputError` if the model type cannot."""
    import transformers

    turned = bool(config.is_encoder_decoder)
    classified = "Image" if reads_images_alone(config) else "Sequence"
    auto: Any = getattr(
        transformers,
        {
            "causal": "AutoModelForSeq2SeqLM" if turned else "AutoModelForCausalLM",
            "encoder": "AutoModelForTextEncoding" if turned else "AutoModel",
            "classifier": f"AutoModelFor{classified}Classification",
            "multimodal": "AutoModelForImageTextToText",
        }[role],
    )
    if type(config) not in auto._model_mapping and not _own_class(config, auto):
        what = {
            "causal": "generates no text",
            "encoder": "has no encoder that transformers knows",
            "classifier": "has no classification head that transformers knows",
            "multimodal": "takes no images with its text",
        }[role]
        raise InputError(f"a model of type {config.model_type!r} {what}")
    return auto


def _own_class(config: PretrainedConfig, auto: Any) -> str:
    """Where the class is that the model brings for a role; empty if it brings none, or may not."""
    return str((getattr(config, "auto_map", None) or {}).get(auto.__name__, "")) if brings_code(config) else ""


def available_attention(config: PretrainedConfig, role: Role, attention: Attention) -> Attention:
    """What can be counted: a model without a fused form of its attention (or without any) runs its parts."""
    auto = _auto_class(config, role)
    if reference := _own_class(config, auto):
        from transformers.dynamic_module_utils import get_class_from_dynamic_module

        model = get_class_from_dynamic_module(reference, str(config.name_or_path))
    else:
        model = auto._model_mapping[type(config)]
        model = model[0] if isinstance(model, tuple) else model
    return attention if getattr(model, "_supports_sdpa", False) else "eager"


def generates(config: PretrainedConfig) -> bool:
    """Whether the model writes text, by the classes that the configuration names, else by what transformers has."""
    import transformers

    if config.architectures:
        return any(name.endswith(_GENERATES) for name in config.architectures)
    if config.is_encoder_decoder:
        return type(config) in transformers.AutoModelForSeq2SeqLM._model_mapping
    masked = type(config) in transformers.AutoModelForMaskedLM._model_mapping
    return type(config) in transformers.AutoModelForCausalLM._model_mapping and not masked


def takes_images_with_text(config: PretrainedConfig) -> bool:
    """Whether text is generated from images as well."""
    import transformers

    return type(config) in transformers.AutoModelForImageTextToText._model_mapping


def generating_role(config: PretrainedConfig) -> tuple[Role, Part]:
    """The role that a model generates text in, and the part of it that does."""
    import transformers

    known = type(config) in transformers.AutoModelForCausalLM._model_mapping
    return ("multimodal", "text") if takes_images_with_text(config) and not known else ("causal", "all")


def _sections(config: PretrainedConfig, part: Part = "all") -> list[PretrainedConfig]:
    if part == "vision":
        return [config.vision_config]
    if part == "text":
        return [config.get_text_config()]
    return [config, *(getattr(config, name) for name in config.sub_configs if getattr(config, name, None) is not None)]


def depths_of(config: PretrainedConfig, part: Part = "all") -> list[int]:
    """Number of layers of each stack, the decoder's last; of all stacks, or those of the text or the vision part."""
    return [getattr(s, f) for s in _sections(config, part) for f in _DEPTHS if _own(s, f)]


def sequential_layers(config: PretrainedConfig, role: Role, phase: str) -> int:
    """Layers that one phase goes through, one after the other; towers beside the text do not generate."""
    depths = depths_of(config)
    if phase == "vision":
        return sum(depths_of(config, "vision"))
    if role in ("encoder", "classifier"):
        return depths[0] if config.is_encoder_decoder and role == "encoder" else sum(depths)
    if config.is_encoder_decoder:
        return depths[-1] if phase == "decode" else sum(depths)
    return int(config.get_text_config().num_hidden_layers)


def _own(section: PretrainedConfig, field: str) -> bool:
    """Whether the section has the field, and not only another name for one that is counted already."""
    target = section.attribute_map.get(field, field)
    if field == "num_hidden_layers" and (target in _DEPTHS[1:] or hasattr(section, "decoder_layers")):
        return False
    return isinstance(getattr(section, target, None), int)


def shallow(config: PretrainedConfig, layers: int, part: Part = "all") -> PretrainedConfig:
    """The same model with fewer layers, in all stacks or in those of a part; the other part then has one."""
    less = copy.deepcopy(config)
    for section in _sections(less):
        wanted = layers if part == "all" or section in _sections(less, part) else 1
        for field in _DEPTHS:
            if _own(section, field):
                depth = getattr(section, field)
                setattr(section, field, wanted)
                for name, value in vars(section).items():
                    if isinstance(value, list) and len(value) == depth:
                        setattr(section, name, value[:wanted])
    return less


def layers_repeat(config: PretrainedConfig, whole: torch.nn.Module, layers: int, part: Part = "all") -> bool:
    """Whether all layers after the first have the same parameters and the same type, in each stack of that depth."""
    if any(_tells_layers_apart(section) for section in _sections(config, part)):
        return False
    stacks: dict[str, dict[int, set[Any]]] = {}
    for name, parameter in whole.named_parameters():
        if found := re.search(r"\.(\d+)\.", name):
            layer = stacks.setdefault(name[: found.start()], {}).setdefault(int(found[1]), set())
            layer.add((name[found.end() :], tuple(parameter.shape)))
    deep = [stack for stack in stacks.values() if len(stack) == layers]
    return bool(deep) and all(stack.get(index) == stack.get(1) for stack in deep for index in range(1, layers))


def _tells_layers_apart(section: PretrainedConfig) -> bool:
    """Whether some layers attend differently: of several types, or full attention in some blocks alone."""
    return len(set(getattr(section, "layer_types", None) or [""])) > 1 or bool(
        getattr(section, "fullatt_block_indexes", None)
    )
