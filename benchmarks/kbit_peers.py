"""Other tools' k-bit files of all-MiniLM-L6-v2, made from the float files that ours start from.

onnxruntime: MatMulNBitsQuantizer at 4 bits in symmetric blocks of 32 (round to nearest, GPTQ on the
calibration text), and HQQ, which has zero points. ai-edge-quantizer: 4-bit rows of all matrices and
tables with dynamic int8 activations, scales by each of its data-free algorithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from edgekit.audit.tflite_file import pack_model, parse

BLOCK, BITS = 32, 4
ONNX = ("rtn", "hqq", "gptq")
TFLITE = ("min_max_uniform_quantize", "MSE", "OCTAV")


def write_onnx(algorithm: str, source: Path, rows: Sequence[Any], path: Path) -> None:
    """One of ``ONNX``, of the 36 matrices; tables stay float.

    Args:
      algorithm: its name.
      source: float32 .onnx file.
      rows: the calibration text as inputs, for GPTQ.
      path: to write.
    """
    from onnxruntime.quantization import matmul_nbits_quantizer as q

    if algorithm == "gptq":
        config = q.GPTQWeightOnlyQuantConfig(
            calibration_data_reader=_Reader(rows), block_size=BLOCK
        )
    elif algorithm == "hqq":
        config = q.HQQWeightOnlyQuantConfig(block_size=BLOCK, bits=BITS)
    else:
        config = None
    model = onnx.load(source)
    quantizer = q.MatMulNBitsQuantizer(
        model, bits=BITS, block_size=BLOCK, is_symmetric=True, algo_config=config
    )
    quantizer.process()
    onnx.save(quantizer.model.model, path)


class _Reader:
    """onnxruntime's CalibrationDataReader: one text after another."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = iter(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        row = next(self._rows, None)
        return None if row is None else {name: ids[None] for name, ids in row.items()}

    def __iter__(self) -> Any:
        return iter(self.get_next, None)

    def rewind(self) -> None:
        """Asked for by some of its algorithms; every run gets a reader of its own."""


def write_tflite(algorithm: str, source: Path, path: Path) -> None:
    """One of ``TFLITE``.

    Args:
      algorithm: its name.
      source: float32 .tflite file.
      path: to write.
    """
    from ai_edge_quantizer import quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    model = parse(source)
    for graph in model.subgraphs:  # it knows tensors by their names, which our files leave out
        for number, tensor in enumerate(graph.tensors):
            tensor.name = f"t{number}".encode()
    source.write_bytes(pack_model(model))
    found = quantizer.Quantizer(str(source), recipe.dynamic_wi4_afp32(AlgorithmName(algorithm)))
    path.write_bytes(bytes(found.quantize().quantized_model))
