"""What a file does with a matrix's input before it multiplies: read from the graph itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.audit import StoredTensor
from edgekit.audit.onnx_file import OnnxFile
from edgekit.audit.tflite_file import TfliteFile

Floats = npt.NDArray[np.float32]

#: parts of ``StoredTensor.where`` that hold codes
_CODES = ("values", "plane4", "plane2", "plane1")


def multiplier_of(file: OnnxFile | TfliteFile, tensor: StoredTensor) -> Floats | None:
    """What a matrix's input is multiplied by first, float32 [in], or None."""
    if "multiplier" not in tensor.where:
        return None
    if isinstance(file, TfliteFile):
        return np.frombuffer(file.buffer(int(tensor.where["multiplier"])), np.float32)
    return np.asarray(_constant(file, str(tensor.where["multiplier"])), np.float32).ravel()


def integer_products(
    file: OnnxFile | TfliteFile, tensors: Sequence[StoredTensor]
) -> dict[str, int | None]:
    """The parameters that are multiplied by int8 activations.

    Args:
      file: the parsed file.
      tensors: those stored in codes.
    Returns:
      parameter -> the code of 0 among the uint8 codes of its input (ONNX), or None where the
      kernel places it by each token's least and greatest value (XNNPACK's qd8).
    """
    if isinstance(file, TfliteFile):
        return {t.parameter: None for t in tensors if _fully_connected(file, t)}
    readers: dict[str, list[Any]] = {}
    for node in file.model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    found: dict[str, int | None] = {}
    for tensor in tensors:
        names = [str(tensor.where[part]) for part in _CODES if part in tensor.where]
        node = _product_of(names, readers)
        if node is not None:
            found[tensor.parameter] = int(_constant(file, node.input[4]).ravel()[0])
    return found


def _product_of(names: list[str], readers: dict[str, list[Any]]) -> Any:
    """The MatMulIntegerToFloat whose weights hang on constants of these names, or None.

    What unpacks codes hangs on constants alone, so the way there meets no other product.
    """
    waiting, seen = list(names), set(names)
    while waiting:
        name = waiting.pop()
        for node in readers.get(name, ()):
            if node.op_type == "MatMulIntegerToFloat":
                if len(node.input) > 1 and node.input[1] == name:
                    return node
                continue
            if node.op_type in ("Gather", "MatMul", "Gemm", "MatMulNBits", "Conv"):
                continue  # from here on values depend on the text
            fresh = [out for out in node.output if out not in seen]
            seen.update(fresh)
            waiting.extend(fresh)
    return None


def _constant(file: OnnxFile, name: str) -> npt.NDArray[Any]:
    from onnx import numpy_helper

    held = next(tensor for tensor in file.model.graph.initializer if tensor.name == name)
    value: npt.NDArray[Any] = numpy_helper.to_array(held)
    return value


def _fully_connected(file: TfliteFile, tensor: StoredTensor) -> bool:
    number = int(tensor.where["values"])
    for graph in file.model.subgraphs:
        for operator in graph.operators:
            inputs = [int(i) for i in operator.inputs]
            if len(inputs) < 2 or file.op_name(operator) != "FULLY_CONNECTED":
                continue
            weights = graph.tensors[inputs[1]]
            if weights.buffer == number and file.type_name(weights).startswith("int"):
                return True
    return False
