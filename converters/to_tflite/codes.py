"""Codes and scales into a flatbuffer's tensors: one scale per row, or blocks of inputs.

Sources: TFLite's quantization specification (symmetric per-axis integers, zero points 0) and its
schema's BlockwiseQuantization (float16 scales [rows, cols / block] in a tensor of their own).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.errors import InternalError
from edgekit.qtensor import QuantizedTensor, pack
from edgekit.tflite_formats import TYPES, container


def set_matrix(
    buffers: Flatbuffer, buffer: int, tensor: QuantizedTensor, factor: float = 1.0
) -> dict[str, int]:
    """Store a matrix's codes in a buffer and tell every tensor that reads it.

    Args:
      buffers: the model.
      buffer: of the float matrix [out, in].
      tensor: symmetric codes, positive scales.
      factor: that the exporter folded into the matrix.
    Returns:
      the buffers, by name, for ``StoredTensor.where``.
    """
    low = -(1 << (tensor.bits - 1))
    if tensor.zero_points is not None or (tensor.scales <= 0).any() or (tensor.codes == low).any():
        raise InternalError("LiteRT's matrices take symmetric codes and positive scales")
    bits = container(tensor.bits, blocks=tensor.group < tensor.shape[1])
    buffers.set_data(buffer, pack(tensor.codes, bits))
    scales = tensor.scales * np.float32(factor)
    if tensor.group >= tensor.shape[1]:
        set_type(buffers, buffer, bits, buffers.per_row(scales[:, 0]))
        return {"values": buffer}
    return {"values": buffer, "scales": set_blocks(buffers, buffer, bits, scales, tensor.group)}


def set_blocks(
    buffers: Flatbuffer,
    buffer: int,
    bits: int,
    scales: npt.NDArray[np.float32],
    block: int,
) -> int:
    """Give every tensor of a buffer float16 scales per block.

    Args:
      bits: of the integer type.
      scales: float32 [rows, blocks], each a float16 number.
      block: columns per scale.
    Returns:
      the scales' buffer.
    """
    held = buffers.add_buffer(scales.astype(np.float16).tobytes())
    for graph, index in list(buffers.tensors_of(buffer)):
        # the details name a tensor of the same subgraph
        where = buffers.add_tensor(graph, list(scales.shape), "FLOAT16", held)
        details = buffers.schema.BlockwiseQuantizationT()
        details.scales, details.zeroPoints, details.blockSize = where, -1, block
        parameters = buffers.schema.QuantizationParametersT()
        parameters.quantizedDimension = 0
        parameters.detailsType = buffers.schema.QuantizationDetails.BlockwiseQuantization
        parameters.details = details
        _set(buffers, graph.tensors[index], bits, parameters)
    return held


def set_type(buffers: Flatbuffer, buffer: int, bits: int, parameters: Any) -> None:
    """Give every tensor of a buffer an integer type and quantization parameters."""
    for graph, index in buffers.tensors_of(buffer):
        _set(buffers, graph.tensors[index], bits, parameters)


def _set(buffers: Flatbuffer, tensor: Any, bits: int, parameters: Any) -> None:
    tensor.type = getattr(buffers.schema.TensorType, TYPES[bits].upper())
    tensor.quantization = parameters
