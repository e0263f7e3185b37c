"""Measure PyTorch on this machine's CPU: rows for `harness profile --validate --stack … --measurements …`.

    python benchmarks/measure_stack.py --hardware EPYC-9654-core [--models bert-tiny llama-200m] [--out rows.csv]

Encoders and decoders of transformers with random weights (only shapes matter), one thread, process CPU seconds: the
least of 20 repeats after warm-up, with their spread. Rows are appended to the file, model by model.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repeated import append, timed


@dataclass(frozen=True)
class Shape:
    """Sizes of a model, as docs/efficiency.md names them."""

    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int


def _bert(layers: int, hidden: int, heads: int) -> Shape:
    return Shape("bert", layers, hidden, heads, heads, 4 * hidden, 30522)


MODELS = {
    # Encoders of Turc et al. 2019 (arXiv 1908.08962), and of MiniLM and DistilBERT.
    "bert-tiny": _bert(2, 128, 2),
    "bert-mini": _bert(4, 256, 4),
    "bert-small": _bert(4, 512, 8),
    "bert-medium": _bert(8, 512, 8),
    "minilm-l6": _bert(6, 384, 12),
    "minilm-l12": _bert(12, 384, 12),
    "bert-6-768": _bert(6, 768, 12),
    "bert-base": _bert(12, 768, 12),
    "bert-large": _bert(24, 1024, 16),
    "gpt2-30m": Shape("gpt", 6, 512, 8, 8, 2048, 16384),
    "gpt2-60m": Shape("gpt", 8, 640, 10, 10, 2560, 32768),
    "gpt2-small": Shape("gpt", 12, 768, 12, 12, 3072, 50257),
    "llama-60m": Shape("llama", 8, 512, 8, 4, 1536, 32000),
    "llama-135m": Shape("llama", 30, 576, 9, 3, 1536, 49152),
    "llama-250m": Shape("llama", 16, 1024, 16, 4, 2816, 32000),
}
LENGTHS = {1: (16, 64, 128, 256, 512), 8: (16, 64, 128), 32: (16, 64)}
"""Tokens by batch size."""
_MOST_FLOPS = 1.2e11
"""Of one call; larger ones are left out."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", required=True, help="profile of one core of this machine, or a YAML of yours")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--out", type=Path, default=Path("pytorch-cpu.csv"))
    arguments = parser.parse_args()
    for name in arguments.models:
        for row in measured(name, arguments.dtype):
            append(arguments.out, {**row, "hardware": arguments.hardware})


def measured(name: str, dtype: str) -> Iterator[dict[str, Any]]:
    """A row for each batch and length of one model."""
    import torch
    import transformers

    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = MODELS[name]
    model = _built(shape, dtype)
    versions = f"torch {torch.__version__}, transformers {transformers.__version__}"
    for batch, lengths in LENGTHS.items():
        for tokens in lengths:
            if 2 * sum(p.numel() for p in model.parameters()) * batch * tokens > _MOST_FLOPS:
                continue
            for quantity, call in _calls(model, shape, batch, tokens):
                with torch.inference_mode():
                    timing = timed(call)
                yield {
                    "quantity": quantity,
                    "model": name,
                    **vars(shape),
                    "qkv": "joint" if shape.architecture == "gpt" else "separate",
                    "dtype": dtype,
                    "accelerators": 1,
                    "batch": batch,
                    "prompt_tokens": tokens,
                    "output_tokens": 1,
                    "seconds": f"{timing.seconds:.4g}",
                    "repeats": timing.repeats,
                    "spread": f"{timing.spread:.3f}",
                    "source": f"benchmarks/measure_stack.py, {versions} @1 thread",
                }


def _built(shape: Shape, dtype: str) -> Any:
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, BertConfig, GPT2Config, LlamaConfig

    sizes = {"vocab_size": shape.vocabulary, "dtype": getattr(torch, dtype), "bos_token_id": None, "eos_token_id": None}
    if shape.architecture == "bert":
        return AutoModel.from_config(
            BertConfig(
                num_hidden_layers=shape.layers,
                hidden_size=shape.hidden,
                num_attention_heads=shape.heads,
                intermediate_size=shape.ffn,
                **sizes,
            )
        ).eval()
    if shape.architecture == "gpt":
        config: Any = GPT2Config(
            n_layer=shape.layers, n_embd=shape.hidden, n_head=shape.heads, n_inner=shape.ffn, **sizes
        )
    else:
        config = LlamaConfig(
            num_hidden_layers=shape.layers,
            hidden_size=shape.hidden,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            intermediate_size=shape.ffn,
            **sizes,
        )
    return AutoModelForCausalLM.from_config(config).eval()


def _calls(model: Any, shape: Shape, batch: int, tokens: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is timed: one encoding; or one prefill, and one further token after it."""
    import torch

    ids = torch.randint(shape.vocabulary, (batch, tokens))
    mask = torch.ones_like(ids)
    if shape.architecture == "bert":
        yield "encode", lambda: model(input_ids=ids, attention_mask=mask)
        return
    yield "prefill", lambda: model(input_ids=ids, use_cache=True, logits_to_keep=1)
    with torch.inference_mode():
        cache = model(input_ids=ids[:, :-1], use_cache=True).past_key_values
    last = ids[:, -1:]

    def step() -> None:
        model(input_ids=last, past_key_values=cache, use_cache=True)
        cache.crop(-1)

    yield "decode_step", step


if __name__ == "__main__":
    main()
