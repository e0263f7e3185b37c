"""What an operation costs by definition: its kind and its FLOPs, from the shapes of its operands.

FLOPs are those of matrix products, attention, convolutions, recurrences, distances and Fourier transforms; a
multiply-add is two. Elementwise passes, norms, gathers and copies count none: they are priced by the bytes they move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from harness.efficiency.ledger import OperationKind
from harness.errors import InputError

Formula = Callable[[Sequence[Any], Any], float]
"""(positional arguments, output) -> FLOPs."""

ATTENTION = "scaled_dot_product_attention"
FLEX = ("flex_attention", "flex_attention_backward")
"""Attention with a function of the scores; blocks that a mask leaves out are counted, as all masks are."""


def _mm(args: Sequence[Any], out: Any) -> float:
    """2·m·n·k (and ·b): every element of the output is a sum over the last dimension of the left matrix."""
    return float(2.0 * out.numel() * args[0].shape[-1])


def _addmm(args: Sequence[Any], out: Any) -> float:
    return float(2.0 * out.numel() * args[1].shape[-1])


def _dot(args: Sequence[Any], out: Any) -> float:
    return float(2.0 * args[0].numel())


def _sum_of_products(args: Sequence[Any], out: Any) -> float:
    """addbmm: products of a batch, summed."""
    return float(2.0 * args[1].numel() * args[2].shape[-1])


def _grouped_mm(args: Sequence[Any], out: Any) -> float:
    """Each row by the matrix of its group; between two matrices, each row of the second belongs to one group."""
    first, second = args[0], args[1]
    if first.dim() == second.dim() == 2:
        return float(2.0 * first.numel() * second.shape[-1])
    return _mm(args, out)


def _bilinear(args: Sequence[Any], out: Any) -> float:
    """x·A·y for each of the outputs, x first: 2·rows·outputs·second·(first + 1)."""
    outputs, first, second = args[1].shape
    return float(2.0 * args[0].numel() / first * outputs * second * (first + 1))


def _outer(args: Sequence[Any], out: Any) -> float:
    return float(2.0 * out.numel())


def _convolution(args: Sequence[Any], out: Any) -> float:
    """2 · outputs · (channels in a group · window); a transposed one scatters each input instead of gathering."""
    data, weight = args[0], args[1]
    transposed = len(args) > 6 and bool(args[6])
    return float(2.0 * (data if transposed else out).numel() * math.prod(weight.shape[1:]))


def _convolution_backward(args: Sequence[Any], out: Any) -> float:
    """As the forward pass, once for each of the gradients asked for (input, weight)."""
    output, data, weight, transposed, mask = args[0], args[1], args[2], bool(args[7]), args[10]
    forward = 2.0 * (data if transposed else output).numel() * math.prod(weight.shape[1:])
    return float(forward * sum(map(bool, mask[:2])))


def attention(args: Sequence[Any], out: Any) -> float:
    """2·b·h·q·k·(d + dv), that is 4·b·h·q·k·d; a causal mask does not halve it (the paper's convention)."""
    query, key, value = args[0], args[1], args[2]
    return float(2.0 * math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1]))


def _attention_backward(args: Sequence[Any], out: Any) -> float:
    """2.5 times the forward pass: five products, the scores recomputed (Dao et al., FlashAttention, 2022)."""
    return float(2.5 * attention(args[1:4], out))


def _flex_backward(args: Sequence[Any], out: Any) -> float:
    return float(2.5 * attention(args[:3], out))


def recurrence(args: Sequence[Any], out: Any) -> float:
    """LSTM, GRU or RNN: each step multiplies by every weight matrix once."""
    data = args[0]
    weights = next(arg for arg in args[2:] if isinstance(arg, list | tuple))
    return float(2.0 * data.numel() / data.shape[-1] * sum(w.numel() for w in weights if w.dim() == 2))


def _cdist(args: Sequence[Any], out: Any) -> float:
    """A subtraction, a product and a sum for each component of each pair."""
    return float(3.0 * out.numel() * args[0].shape[-1])


def _fft(args: Sequence[Any], out: Any) -> float:
    """5·n·log2 n for each complex transform (the convention of FFTW's benchmarks), half of it for a real one."""
    full = args[0] if args[0].numel() >= out.numel() else out
    length = math.prod(full.shape[dim] for dim in args[1])
    real = not (args[0].is_complex() and out.is_complex())
    return float(5.0 * full.numel() * math.log2(max(length, 2)) / (2 if real else 1))


_MATMULS: dict[str, Formula] = {
    **dict.fromkeys(("mm", "bmm", "mv", "linear", "matmul", "_scaled_mm", "_int_mm"), _mm),
    **dict.fromkeys(("addmm", "baddbmm", "addmv", "_addmm_activation"), _addmm),
    "dot": _dot,
    "vdot": _dot,
    "addbmm": _sum_of_products,
    "_trilinear": _bilinear,
    "_grouped_mm": _grouped_mm,
    "addr": _outer,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrence),
}
_CONVOLUTIONS: dict[str, Formula] = {
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
    "convolution_backward": _convolution_backward,
}
_ATTENTIONS: dict[str, Formula] = {
    ATTENTION: attention,
    f"{ATTENTION}_backward": _attention_backward,
    **dict(zip(FLEX, (attention, _flex_backward), strict=True)),
}
_OTHERS: dict[str, Formula] = {
    "_cdist_forward": _cdist,
    **dict.fromkeys(("_fft_r2c", "_fft_c2c", "_fft_c2r"), _fft),
}
_FORMULAS: dict[str, Formula] = {**_MATMULS, **_CONVOLUTIONS, **_ATTENTIONS, **_OTHERS}

# fmt: off
_GATHERS = (
    "embedding", "index", "index_select", "gather", "take", "_embedding_bag", "index_put", "index_copy",
    "index_add", "scatter", "scatter_add", "scatter_reduce", "embedding_dense_backward", "_index_put_impl",
    "masked_scatter", "masked_scatter_backward", "masked_select", "repeat_interleave", "index_fill", "put",
    "_unsafe_index", "_unsafe_index_put", "_unsafe_masked_index", "_unsafe_masked_index_put_accumulate",
    "_embedding_bag_dense_backward",
)
_NORMS = (
    "native_layer_norm", "native_group_norm", "native_batch_norm", "_native_batch_norm_legit", "batch_norm",
    "_fused_rms_norm", "_native_batch_norm_legit_no_training", "_batch_norm_no_update", "_softmax",
    "_log_softmax", "_safe_softmax", "native_layer_norm_backward", "native_group_norm_backward",
    "native_batch_norm_backward", "_fused_rms_norm_backward", "_softmax_backward_data",
    "_log_softmax_backward_data",
)
_SCANS = (
    "cumsum", "cumprod", "logcumsumexp", "cummax", "cummin",
)
_PASSES = (
    "clone", "_to_copy", "copy", "cat", "stack", "constant_pad_nd", "repeat", "roll", "flip", "tril", "triu",
    "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "slice_scatter", "select_scatter",
    "masked_fill", "full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "new_zeros", "new_ones",
    "new_full", "arange", "linspace", "eye", "scalar_tensor", "fill", "zero", "tril_indices", "triu_indices",
    "glu", "mean", "sum", "amax", "amin", "max", "min", "argmax", "argmin", "var", "var_mean", "std",
    "std_mean", "any", "all", "prod", "norm", "linalg_vector_norm", "logsumexp", "floor_divide",
    "native_dropout", "bernoulli",
    "uniform", "normal", "exponential", "rand", "randn", "randint", "rand_like", "randn_like", "avg_pool2d",
    "max_pool2d_with_indices", "avg_pool1d", "adaptive_avg_pool2d", "_adaptive_avg_pool2d",
    "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d", "nll_loss_forward", "nll_loss_backward",
    "threshold_backward", "gelu_backward", "silu_backward", "tanh_backward", "sigmoid_backward",
    "select_backward", "slice_backward", "unfold_backward", "split_with_sizes_copy", "im2col", "col2im",
    "max_pool2d_with_indices_backward", "avg_pool2d_backward", "_adaptive_avg_pool2d_backward",
    "upsample_nearest2d_backward", "upsample_bilinear2d_backward", "upsample_bicubic2d_backward",
    "native_dropout_backward", "glu_backward", "elu_backward", "leaky_relu_backward", "hardtanh_backward",
    "hardswish_backward", "hardsigmoid_backward", "softplus_backward", "log_sigmoid_forward",
    "log_sigmoid_backward", "mish_backward", "logit_backward", "mse_loss_backward", "smooth_l1_loss_backward",
    "huber_loss_backward", "binary_cross_entropy", "binary_cross_entropy_backward", "diagonal_backward",
    "as_strided_scatter", "_prelu_kernel", "_prelu_kernel_backward", "renorm", "addcmul", "addcdiv", "lerp",
)
_SEARCHES = (
    "sort", "topk", "kthvalue", "histc", "bincount", "searchsorted", "bucketize", "multinomial", "nonzero",
    "isin", "unique_dim", "_unique2", "_local_scalar_dense", "is_nonzero", "equal",
)
# fmt: on
_KINDS: dict[str, OperationKind] = {
    **dict.fromkeys(_MATMULS, "matmul"),
    **dict.fromkeys(_CONVOLUTIONS, "convolution"),
    **dict.fromkeys(_ATTENTIONS, "attention"),
    **dict.fromkeys((*_OTHERS, *_SEARCHES), "other"),
    **dict.fromkeys(_GATHERS, "gather"),
    **dict.fromkeys(_NORMS, "norm"),
    **dict.fromkeys(_SCANS, "scan"),
    **dict.fromkeys(_PASSES, "pointwise"),
}

_MANY_TENSORS = ("_foreach_", "_fused_adam", "_fused_sgd", "_fused_adagrad")
"""An optimizer's passes over its parameters, one at a time or all in one."""
_ATTENTION_KERNELS = ("_scaled_dot_product", "_flash_attention", "_efficient_attention", "_cudnn_attention")


def canonical(name: str) -> str:
    """The name that formulas go by: in-place variants as their plain form, every attention kernel as attention."""
    if name.startswith(_ATTENTION_KERNELS):
        return f"{ATTENTION}_backward" if name.endswith("_backward") else ATTENTION
    return name.removesuffix("_") if not name.endswith("__") else name


def kind_of(name: str, *, elementwise: bool) -> OperationKind | None:
    """Kind of an operation by canonical name; None if nothing is known of it.

    Parameters: whether torch itself declares it elementwise or a reduction.
    """
    if name.startswith(_MANY_TENSORS):
        return "pointwise"
    return _KINDS.get(name) or ("pointwise" if elementwise else None)


def flops_of(name: str, args: Sequence[Any], out: Any) -> float:
    """FLOPs of one call by canonical name; 0 for those that are priced by bytes alone."""
    formula = _FORMULAS.get(name)
    return 0.0 if formula is None else formula(args, out)


def no_formula(name: str, why: str) -> InputError:
    """The error for an operation that matters and cannot be counted."""
    return InputError(
        f"the operation {name!r} has no formula, and {why}",
        hint="A cost that leaves it out would be wrong. Add its formula to harness/efficiency/formulas.py.",
    )
