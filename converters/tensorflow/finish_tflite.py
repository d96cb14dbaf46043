"""From a raw TFLite file of either converter to one signature under the contract's names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgekit.converters.tensorflow.traps import check_tflite_operators
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer

from edgekit.audit.tflite_file import TfliteFile, packed, parse
from edgekit.errors import InternalError, UnsupportedError

SIGNATURE = "main"


def finish(raw: Path, inputs: Mapping[str, str], outputs: Mapping[str, str], path: Path) -> None:
    """Check, rename and write.

    Args:
      raw: what the converter wrote, with one signature.
      inputs, outputs: the converter's name -> the contract's.
      path: where the file goes.
    Raises:
      UnsupportedError: operators that the runtime lacks, variables that nobody fills, an input
        that nothing reads.
    """
    check_tflite_operators(TfliteFile(raw).operators())
    buffers = Flatbuffer(parse(raw))
    model = buffers.model
    if len(model.signatureDefs or []) != 1:
        raise InternalError("the converter wrote no signature, or several")
    (signature,) = model.signatureDefs
    graph = model.subgraphs[signature.subgraphIndex]
    model.description = b"edgekit"
    for inner in model.subgraphs:
        inner.name = b""
        for tensor in inner.tensors:
            tensor.name = b""
    signature.signatureKey = SIGNATURE.encode()
    for entries, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
        found = {entry.name.decode() for entry in entries}
        if found != set(names):
            lost = sorted(names[name] for name in set(names) - found)
            raise UnsupportedError(
                f"the converter dropped {', '.join(lost) or 'nothing'} and wrote {sorted(found)}.",
                "export a signature of what is used.",
            )
        for entry in entries:
            entry.name = names[entry.name.decode()].encode()
        entries.sort(key=lambda entry: list(names.values()).index(entry.name.decode()))
        # the runtime lists inputs by tensor name in places
        for entry in entries:
            graph.tensors[entry.tensorIndex].name = entry.name
    # what the converter says of itself is neither true of our file nor needed to run it
    model.metadata = []
    model.metadataBuffer = None
    path.write_bytes(packed(model))
