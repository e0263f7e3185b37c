"""The ledger of a transformer (decoder or encoder) from its shape alone, in closed form, for measured models.

Published measurements are of models without public code, and validation prices thousands of shapes in seconds.

Sources of the formulas: matmuls 2·m·n·k; attention 4·b·h·q·k·d (scores and values), as `torch.utils.flop_counter`
counts it; sizes as in Narayanan et al. 2021 (arXiv 2104.04473, appendix). Fused attention keeps no score matrix
in memory; eager attention writes the scores, passes over them once for the softmax, and reads them again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from harness.efficiency.ledger import Memory, Operation, OperationKind, Phase

_ELEMENT_BYTES = {"float32": 4, "tfloat32": 4}
"""Others, float16 and bfloat16, have two."""
_IMAGE_CHANNELS, _PATCH = 3, 16


class Shape(msgspec.Struct, frozen=True):
    """The sizes of a transformer.

    Decoders: `gpt` has two matrices and biases in its feed-forward part, `llama` three and none. Encoders: `bert` with
    embeddings before and a pooler after its layers, `layers` alone, `vit` with a projection of patches before them.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    dtype: str = "float16"
    architecture: Literal["gpt", "llama", "bert", "layers", "vit"] = "gpt"
    attention: Literal["fused", "eager"] = "fused"
    qkv: Literal["joint", "separate"] = "joint"
    """Whether queries, keys and values come out of one product or of three."""

    @property
    def element_bytes(self) -> int:
        """Of weights and activations."""
        return _ELEMENT_BYTES.get(self.dtype, 2)

    @property
    def head_width(self) -> int:
        return self.hidden // self.heads

    @property
    def kv_width(self) -> int:
        """Elements of one key (or value) over all its heads."""
        return self.kv_heads * self.head_width

    @property
    def parameters(self) -> int:
        """A decoder's matrices, biases, norms and token embedding, without positions and an untied output layer."""
        qkv, out = self.hidden * (self.hidden + 2 * self.kv_width), self.hidden**2
        embedding = self.vocabulary * self.hidden
        if self.architecture == "llama":
            layer = qkv + out + 3 * self.hidden * self.ffn + 2 * self.hidden
            return self.layers * layer + 2 * embedding + self.hidden
        biases = self.hidden + 2 * self.kv_width + self.hidden + self.ffn + self.hidden
        layer = qkv + out + 2 * self.hidden * self.ffn + biases + 4 * self.hidden
        return self.layers * layer + embedding + 2 * self.hidden

    @property
    def memory(self) -> Memory:
        """Weights and the cache of one token."""
        return Memory(
            weights_bytes=self.element_bytes * self.parameters,
            kv_bytes_per_token=self.element_bytes * 2 * self.kv_width * self.layers,
        )


def prefill(shape: Shape, batch: int, tokens: int, *, logits_of_all_tokens: bool = False) -> Phase:
    """The prompt of `tokens` for each of `batch` sequences, and the logits of the last position (or of all)."""
    rows = batch if not logits_of_all_tokens else batch * tokens
    return _generation("prefill", shape, batch, new=tokens, context=tokens, logit_rows=rows)


def decode(shape: Shape, batch: int, context: float) -> Phase:
    """One further token for each of `batch` sequences that then hold `context` tokens, the new one among them."""
    return _generation("decode", shape, batch, new=1, context=context, logit_rows=batch)


def encode(shape: Shape, batch: int, tokens: int) -> Phase:
    """`batch` texts (or images) of `tokens` each, through an encoder."""
    rows, hidden = batch * tokens, shape.hidden
    before = {
        "bert": [_repeated(_gather("embedding", shape, rows), 3), _norm("embedding_norm", shape, rows)],
        "vit": [_matmul("patches", shape, rows, _IMAGE_CHANNELS * _PATCH**2, hidden, bias=True)],
    }
    after = {"bert": [_matmul("pooler", shape, batch, hidden, hidden, bias=True)]}
    return _phase(
        "encode",
        shape,
        [
            *before.get(shape.architecture, []),
            *_layers(shape, batch, tokens, tokens),
            *after.get(shape.architecture, []),
        ],
    )


def _generation(name: str, shape: Shape, batch: int, new: int, context: float, logit_rows: int) -> Phase:
    rows = batch * new
    return _phase(
        name,
        shape,
        [
            _gather("embedding", shape, rows),
            *_layers(shape, batch, new, context),
            _norm("final_norm", shape, rows),
            _matmul("logits", shape, logit_rows, shape.hidden, shape.vocabulary),
        ],
    )


def _phase(name: str, shape: Shape, operations: list[Operation]) -> Phase:
    return Phase(name=name, operations=tuple(operations), layers=shape.layers)


def _layers(shape: Shape, batch: int, new: int, context: float) -> list[Operation]:
    return [_repeated(operation, shape.layers) for operation in _layer(shape, batch, new, context)]


def _layer(shape: Shape, batch: int, new: int, context: float) -> list[Operation]:
    rows, hidden, ffn = batch * new, shape.hidden, shape.ffn
    gated = shape.architecture == "llama"
    bias = not gated
    feed_forward = ["gate", "up"] if gated else ["up"]
    widths = [hidden, shape.kv_width, shape.kv_width]
    return [
        _repeated(_norm("norm", shape, rows), 2),
        *(_matmul("qkv", shape, rows, hidden, width, bias=bias) for width in _products(shape, widths)),
        *_attention(shape, batch, new, context),
        _matmul("attention_out", shape, rows, hidden, hidden, bias=bias),
        *(_matmul(part, shape, rows, hidden, ffn, bias=bias) for part in feed_forward),
        _pointwise("activation", shape, reads=len(feed_forward) * rows * ffn, writes=rows * ffn),
        _matmul("down", shape, rows, ffn, hidden, bias=bias),
        _repeated(_pointwise("residual", shape, reads=2 * rows * hidden, writes=rows * hidden), 2),
    ]


def _products(shape: Shape, widths: list[int]) -> list[int]:
    return widths if shape.qkv == "separate" else [sum(widths)]


def _matmul(name: str, shape: Shape, m: int, k: int, n: int, *, bias: bool = False) -> Operation:
    weights = shape.element_bytes * (k * n + (n if bias else 0))
    return _operation(name, "matmul", shape, 2.0 * m * k * n, shape.element_bytes * m * k + weights, m * n, weights)


def _attention(shape: Shape, batch: int, new: int, context: float) -> list[Operation]:
    queries, keys = batch * new * shape.hidden, batch * context * shape.kv_width
    scores = batch * shape.heads * new * context if shape.attention == "eager" else 0.0
    read = shape.element_bytes * (queries + 2 * keys + scores)
    attention = _operation("attention", "attention", shape, 4.0 * queries * context, read, queries + scores)
    if shape.attention == "fused":
        return [attention]
    return [attention, _pointwise("softmax", shape, reads=scores, writes=scores)]


def _norm(name: str, shape: Shape, rows: int) -> Operation:
    weights = shape.element_bytes * shape.hidden * (1 if shape.architecture == "llama" else 2)
    size = rows * shape.hidden
    return _operation(name, "norm", shape, 5.0 * size, shape.element_bytes * size + weights, size, weights)


def _pointwise(name: str, shape: Shape, reads: float, writes: float) -> Operation:
    return _operation(name, "pointwise", shape, writes, shape.element_bytes * reads, writes)


def _gather(name: str, shape: Shape, rows: int) -> Operation:
    size = rows * shape.hidden
    return _operation(name, "gather", shape, 0.0, shape.element_bytes * size, size)


def _operation(
    name: str,
    kind: OperationKind,
    shape: Shape,
    flops: float,
    bytes_read: float,
    elements_written: float,
    weight_bytes: float = 0.0,
) -> Operation:
    return Operation(
        name=name,
        kind=kind,
        dtype=shape.dtype,
        count=1.0,
        flops=flops,
        bytes_read=bytes_read,
        bytes_written=shape.element_bytes * elements_written,
        weight_bytes=weight_bytes,
    )


def _repeated(operation: Operation, times: int) -> Operation:
    return msgspec.structs.replace(operation, count=operation.count * times)
