"""An encoder-decoder on disk: two files, and what both hold lies in the first alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from edgekit.converters.float_model import FloatModel, Weight, WrittenFile
from edgekit.converters.to_onnx.shared_bytes import point_into
from edgekit.converters.to_onnx.write import write_graph

from edgekit.audit.onnx_entries import decode_name
from edgekit.runtime.onnx_entries import decode_path, encode_path


def write_entries(
    model: FloatModel,
    weights: Mapping[str, Weight],
    path: Path,
    metadata: Mapping[str, str],
    int8_activations: bool,
) -> WrittenFile:
    """Write ``<stem>.encode.onnx`` and ``<stem>.decode.onnx``.

    Args:
      model: graphs ``encode`` and ``decode``.
      weights, metadata, int8_activations: as for ``write_graph``.
      path: ``<stem>.onnx``.
    Returns:
      one file with a part; the decoder's constants are named ``decode/<name>`` there.
    """
    first = encode_path(path)
    second = decode_path(first)
    stored = list(write_graph(model["encode"], weights, first, metadata, int8_activations))
    for tensor in write_graph(model["decode"], weights, second, metadata, int8_activations):
        where = {part: decode_name(str(name)) for part, name in tensor.where.items()}
        stored.append(replace(tensor, where=where))
    point_into(first, second)
    derived = (
        *model["encode"].derived,
        *(decode_name(str(name)) for name in model["decode"].derived),
    )
    return WrittenFile(first, tuple(stored), derived, (second,))
