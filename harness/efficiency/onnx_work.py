"""What a network in an ONNX file takes, counted: each node's shapes, as ONNX Runtime reports them for one call.

Optimisations of the graph are off, so that what is counted is the network and not how it was fused here.
"""

from __future__ import annotations

import json
from collections import Counter
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from harness.efficiency.ledger import Operation, OperationKind, Phase
from harness.errors import RunFailed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ELEMENT_BYTES = {"float": 4, "double": 8, "float16": 2, "int64": 8, "int32": 4, "int8": 1, "uint8": 1, "bool": 1}
_VIEWS = frozenset({"Identity", "Constant", "Shape", "Reshape", "Squeeze", "Unsqueeze", "Flatten"})
_PRODUCTS = frozenset({"MatMul", "Gemm"})
_MOVES = frozenset({"Transpose", "Slice", "Concat", "Split", "Pad", "Cast", "Expand", "Gather", "Resize"})
_HEAVY = frozenset({"ConvTranspose", "LSTM", "GRU", "RNN", "Einsum", "Attention", "ConvInteger", "MatMulInteger"})
_NORMS = frozenset({"Softmax", "BatchNormalization", "LayerNormalization", "InstanceNormalization", "ReduceMean"})
_PRODUCTS_OF_A_LAYER = 6
"""Of a transformer: so many products are as much to launch as one of its layers."""


def onnx_phase(path: Path, name: str, inputs: dict[str, NDArray[np.float32]]) -> Phase:
    """One call of the network in a file on these inputs.

    Raises `RunFailed` for a network with a heavy operation that has no formula here.
    """
    nodes = [node for node in _profiled(path, inputs) if node["op_name"] not in _VIEWS]
    if strange := sorted({node["op_name"] for node in nodes} & _HEAVY):
        raise RunFailed(f"{path.name} has operations whose work is not counted: {', '.join(strange)}")
    operations = tuple(_operation(node, place) for place, node in enumerate(nodes))
    largest = max((o.bytes_read - o.weight_bytes + o.bytes_written for o in operations), default=0.0)
    kinds = Counter(o.kind for o in operations)
    layers = max(1, (kinds["matmul"] + kinds["convolution"]) // _PRODUCTS_OF_A_LAYER)
    return Phase(name, operations, layers=layers, peak_bytes=int(largest))


def _profiled(path: Path, inputs: dict[str, NDArray[np.float32]]) -> list[dict[str, Any]]:
    """What ONNX Runtime says of each node that it ran, in the order in which it ran them."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        options: Any = onnxruntime.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "nodes")
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        session.run(None, inputs)
        events = json.loads(Path(session.end_profiling()).read_bytes())
    return [event["args"] for event in events if event.get("name", "").endswith("_kernel_time")]


def _operation(node: dict[str, Any], place: int) -> Operation:
    read, written = _sized(node["input_type_shape"]), _sized(node["output_type_shape"])
    shapes = [shape for shape, _ in read]
    outputs = float(sum(prod(shape) for shape, _ in written))
    kind: OperationKind
    match node["op_name"]:
        case "Conv":
            kind, flops = "convolution", 2.0 * outputs * prod(shapes[1][1:])
        case name if name in _PRODUCTS:
            kind, flops = "matmul", 2.0 * outputs * shapes[0][-1]
        case name if name in _NORMS:
            kind, flops = "norm", 3.0 * sum(prod(shape) for shape in shapes[:1])
        case name:
            kind, flops = "pointwise", 0.0 if name in _MOVES else outputs
    return Operation(
        f"{node['op_name']}.{place}",
        kind,
        "float32",
        1.0,
        float(flops),
        float(sum(prod(shape) * size for shape, size in read)),
        float(sum(prod(shape) * size for shape, size in written)),
        float(node.get("parameter_size", 0)),
    )


def _sized(tensors: list[dict[str, list[int]]]) -> list[tuple[list[int], int]]:
    """Shape of each tensor, and the bytes of an element."""
    return [(shape, _ELEMENT_BYTES.get(kind, 4)) for tensor in tensors for kind, shape in tensor.items()]
