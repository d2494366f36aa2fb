"""The graph of a model in ONNX: names that do not vary, and the operations that stay in single precision."""

from collections.abc import Sequence
from typing import Any


def with_stable_names(model: Any, name: str, output_shape: Sequence[int]) -> Any:
    """Rename nodes, tensors and constants of an `onnx.ModelProto` in place, in order of use; returns it.

    The converter numbers them differently in every process. `name` becomes that of the graph and of its one output, of
    shape (N, *output_shape); the input keeps its name. Constants are sorted by first use.
    """
    graph = model.graph
    constants = {constant.name: constant for constant in graph.initializer}
    names = {tensor.name: tensor.name for tensor in graph.input} | {graph.output[0].name: name, "": ""}
    used: list[Any] = []
    for number, node in enumerate(graph.node):
        for tensor in node.input:
            if tensor not in names:
                names[tensor] = f"constant_{len(used)}"
                used.append(constants[tensor])
        node.name = f"{node.op_type}_{number}"
        for place, tensor in enumerate(node.output):
            names.setdefault(tensor, f"{node.name}_{place}")
        node.input[:] = [names[tensor] for tensor in node.input]
        node.output[:] = [names[tensor] for tensor in node.output]
    for constant in used:
        constant.name = names[constant.name]
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(used)
    graph.output[0].name = graph.name = name
    graph.doc_string = ""
    for tensor in (*graph.input, *graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    # Of a reshaped output the converter knows no size.
    for dimension, size in zip(graph.output[0].type.tensor_type.shape.dim[1:], output_shape, strict=True):
        dimension.dim_value = size
    return model


def after_softmax(model: Any) -> list[str]:
    """Names of the nodes of an `onnx.ModelProto` that compute a softmax, or compute with its values."""
    tensors: set[str] = set()
    names = []
    # Nodes are in topological order.
    for node in model.graph.node:
        if node.op_type == "Softmax" or tensors & set(node.input):
            tensors |= set(node.output)
            names.append(node.name)
    return names
