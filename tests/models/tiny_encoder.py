"""A RoBERTa of two layers and bytes for tokens, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<encoder-only>"]


def tokenizer(folder: Path) -> Any:
    """RoBERTa's byte-level tokenizer with a vocabulary of single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *letters])}
    it = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    it.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    it.decoder = decoders.ByteLevel()
    it.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = dict(zip(["bos_token", "pad_token", "eos_token", "unk_token", "mask_token"], SPECIAL, strict=False))
    made = PreTrainedTokenizerFast(tokenizer_object=it, cls_token="<s>", sep_token="</s>", **names)
    made.save_pretrained(folder)
    return made


def tiny_roberta(folder: Path) -> Path:
    """Write one whose every weight is read from its file."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = RobertaConfig(
        vocab_size=len(tokenizer(folder)),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=258,
        type_vocab_size=1,
        pad_token_id=1,
        initializer_range=0.4,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder
