"""Padding in front of a maximum: zeros where they change nothing.

torch pads a maximum's input with the lowest number, which the converter writes as PADV2. LiteRT's
delegate does not take that operator, and the graph falls into pieces around it. Behind a rectifier
nothing is below zero, so a window's maximum is the same with zeros: a plain PAD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

_RECTIFIERS = ("RELU", "RELU6")


def pad_with_zeros(buffers: Flatbuffer) -> None:
    """Replace PADV2 by PAD where only maxima of rectified values read it."""
    for graph in buffers.model.subgraphs:
        makers = {int(out): o for o in graph.operators for out in o.outputs}
        for pad in graph.operators:
            if buffers.op_name(pad) != "PADV2" or not _is_low(buffers, graph, pad):
                continue
            readers = [buffers.op_name(o) for o, _ in buffers.readers(graph, int(pad.outputs[0]))]
            maker = makers.get(int(pad.inputs[0]))
            seen = int(pad.outputs[0]) in {int(i) for i in graph.outputs}
            hidden = set(readers) == {"MAX_POOL_2D"} and not seen
            if hidden and maker is not None and _rectified(buffers, maker):
                pad.opcodeIndex = buffers.op_code("PAD")
                pad.inputs = pad.inputs[:2]
                pad.builtinOptionsType = buffers.schema.BuiltinOptions.PadOptions
                pad.builtinOptions = buffers.schema.PadOptionsT()


def _is_low(buffers: Flatbuffer, graph: Any, pad: Any) -> bool:
    value = np.frombuffer(buffers.data(graph.tensors[int(pad.inputs[2])].buffer), np.float32)
    return value.size == 1 and value[0] <= 0


def _rectified(buffers: Flatbuffer, maker: Any) -> bool:
    if buffers.op_name(maker) in _RECTIFIERS:
        return True
    kinds = buffers.schema.ActivationFunctionType
    fused = getattr(maker.builtinOptions, "fusedActivationFunction", kinds.NONE)
    return fused in [getattr(kinds, name) for name in _RECTIFIERS]
