"""The mixers, by the name that a submission gives. A further one is a file here, and a line for it below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from harness.sequence.mixers.cosformer import CosFormer
from harness.sequence.mixers.diagonal import Diagonal
from harness.sequence.mixers.diff_qkv import DiffQKV
from harness.sequence.mixers.fft import Fft
from harness.sequence.mixers.flow import Flow
from harness.sequence.mixers.hstu import Hstu
from harness.sequence.mixers.hyper import Hyper
from harness.sequence.mixers.lightning import Lightning
from harness.sequence.mixers.linear import Linear
from harness.sequence.mixers.linformer import Linformer
from harness.sequence.mixers.local import Local
from harness.sequence.mixers.nystromformer import Nystromformer
from harness.sequence.mixers.performer import Performer
from harness.sequence.mixers.softmax import Softmax
from harness.sequence.mixers.transnormer import TransNormer
from harness.sequence.slots import MultiHead, Shape

Make = Callable[[Shape], nn.Module]


def _heads(attention: Make) -> Make:
    """A mixer out of what attends among queries, keys and values."""
    return lambda shape: MultiHead(attention(shape), shape)


MIXERS: Mapping[str, Make] = {
    "cosformer": _heads(CosFormer),
    "diagonal": Diagonal,
    "diff_qkv": DiffQKV,
    "fft": Fft,
    "flow": _heads(Flow),
    "hstu": Hstu,
    "hyper": _heads(Hyper),
    "lightning": Lightning,
    "linear": _heads(Linear),
    "linformer": _heads(Linformer),
    "local": _heads(Local),
    "nystromformer": _heads(Nystromformer),
    "performer": _heads(Performer),
    "softmax": _heads(Softmax),
    "transnormer": _heads(TransNormer),
}
