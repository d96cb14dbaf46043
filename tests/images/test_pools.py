"""Padding of maxima becomes zeros where nothing is below zero, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.pools import pad_with_zeros

from edgekit.audit.tflite_file import schema
from tests.tflite_files import run

LOWEST = np.finfo(np.float32).min


def graph(maker: str, value: float = LOWEST, seen: bool = False) -> Flatbuffer:
    """[1, 6, 6, 2] -> maker -> PADV2 by 1 -> MAX_POOL_2D 3x3 with stride 2.

    Args:
      maker: an operator of one input.
      value: of the padding.
      seen: the padded picture is an output too.
    """
    s: Any = schema()
    model, made = s.ModelT(), s.SubGraphT()
    model.version, model.subgraphs, model.operatorCodes = 3, [made], []
    model.buffers = [s.BufferT()]
    made.tensors, made.operators, made.name = [], [], b""
    buffers = Flatbuffer(model)
    tensors = [buffers.add_tensor(made, [1, n, n, 2], "FLOAT32") for n in (6, 6, 8, 3)]
    ways = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    padding = buffers.constant(made, [4, 2], "INT32", ways.tobytes())
    lowest = buffers.constant(made, [], "FLOAT32", np.float32(value).tobytes())
    for kind, inputs, output, options in (
        (maker, [tensors[0]], tensors[1], ""),
        ("PADV2", [tensors[1], padding, lowest], tensors[2], "PadV2Options"),
        ("MAX_POOL_2D", [tensors[2]], tensors[3], "Pool2DOptions"),
    ):
        operator = s.OperatorT()
        operator.opcodeIndex = buffers.op_code(kind)
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        if options:
            operator.builtinOptionsType = getattr(s.BuiltinOptions, options)
            operator.builtinOptions = getattr(s, f"{options}T")()
        made.operators.append(operator)
    pool = made.operators[-1].builtinOptions
    pool.padding = s.Padding.VALID
    pool.strideH = pool.strideW = 2
    pool.filterHeight = pool.filterWidth = 3
    made.inputs, made.outputs = [tensors[0]], [tensors[3], *([tensors[2]] if seen else [])]
    return buffers


def names(buffers: Flatbuffer) -> list[str]:
    return [buffers.op_name(o) for o in buffers.model.subgraphs[0].operators]


def picture() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 6, 6, 2)).astype(np.float32)


@pytest.mark.parametrize("maker", ["RELU", "RELU6"])
def test_behind_a_rectifier_zeros_give_the_same_in_one_piece(maker: str) -> None:
    expected, pieces = run(graph(maker), picture())
    buffers = graph(maker)
    pad_with_zeros(buffers)
    assert names(buffers) == [maker, "PAD", "MAX_POOL_2D"]
    found, fewer = run(buffers, picture())
    np.testing.assert_array_equal(found, expected)
    assert (pieces, fewer) == (2, 1)


@pytest.mark.parametrize(
    ("maker", "value", "seen"),
    [("NEG", LOWEST, False), ("RELU", 1.0, False), ("RELU", LOWEST, True)],
    ids=["may be below zero", "above zero", "somebody sees the padding"],
)
def test_all_else_is_left_alone(maker: str, value: float, seen: bool) -> None:
    buffers = graph(maker, value, seen)
    before = names(buffers)
    pad_with_zeros(buffers)
    assert names(buffers) == before
