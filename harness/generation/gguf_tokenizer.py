"""How a tokenizer in a GGUF file splits text before it merges bytes.

A GGUF file names the rule (`tokenizer.ggml.pre`). transformers passes over it and gives every BPE tokenizer GPT-2's,
which makes of digits other tokens than the model was trained on. That matters where the text is numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import SubmissionError

_GPT2 = frozenset({"gpt-2", "default", "gpt2", "olmo"})
_SINGLE_DIGITS = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "qwen2": _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),
}


def split_as_trained(tokenizer: Any, path: Path) -> None:
    """Give a byte-level BPE tokenizer the splitting rule that its file names.

    Raises `SubmissionError` for a rule that is not known here; other tokenizers are left alone.
    """
    from tokenizers import Regex, pre_tokenizers

    rule = _rule(path)
    backend = tokenizer.backend_tokenizer
    if rule is None or rule in _GPT2 or not isinstance(backend.pre_tokenizer, pre_tokenizers.ByteLevel):
        return
    first: pre_tokenizers.PreTokenizer
    if rule in _SINGLE_DIGITS:
        first, with_pattern = pre_tokenizers.Digits(individual_digits=True), True
    elif rule in _PATTERNS:
        first, with_pattern = pre_tokenizers.Split(Regex(_PATTERNS[rule]), "isolated"), False
    else:
        raise SubmissionError(
            f"{path.name} splits text by the rule {rule!r}, which is not known here",
            hint="Use the model's safetensors, which have a tokenizer.json.",
        )
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=with_pattern)
    backend.pre_tokenizer = pre_tokenizers.Sequence([first, level])


def _rule(path: Path) -> str | None:
    from gguf import GGUFReader

    reader = GGUFReader(path)
    model, rule = (reader.get_field(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if model is None or model.contents() != "gpt2":
        return None
    return None if rule is None else str(rule.contents())
