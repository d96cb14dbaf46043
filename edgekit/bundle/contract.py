"""contract.json: everything that an app must know of a model, nothing that it must guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit._version import __version__
from edgekit.audit.audit import open_file
from edgekit.audit.tflite_file import TfliteFile
from edgekit.bundle.decoder import read_decoder
from edgekit.bundle.generation import generation_json
from edgekit.contract import Contract, TensorSpec
from edgekit.manifest import FileEntry, Manifest
from edgekit.runtime.tflite_plain import bucket_keys

CONTRACT_NAME = "contract.json"
#: readers refuse what is newer than themselves
SCHEMA = 1

_ACTIVATIONS = {"multi_label": "sigmoid", "regression": "none"}
#: tasks whose outputs are logits that an app turns into probabilities
_LOGITS = ("text-classification", "token-classification", "fill-mask", "question-answering")


def contract_json(
    folder: Path,
    manifest: Manifest,
    entry: FileEntry,
    tokenizer: dict[str, Any],
    self_test: dict[str, Any],
    files: list[dict[str, Any]],
) -> dict[str, Any]:
    """The document; its fields are described in docs/bundle.md.

    Args:
      folder, manifest, entry: the export and the file of it that is bundled.
      tokenizer: from ``edgekit.bundle.tokenizer``.
      self_test: file, metric and bound.
      files: path, bytes and sha256 of everything else in the bundle.
    Raises:
      ArtifactError: the model file cannot be read.
    """
    contract = manifest.contract
    file = open_file(folder / entry.path)
    runtime = file.runtime()
    tflite = isinstance(file, TfliteFile)
    about: dict[str, Any] = {}
    if contract.generation is not None:
        about["generation"] = generation_json(contract.generation, entry.target)
        tokenizer = {**tokenizer, "decode": read_decoder(folder)}
    return {
        "schema": SCHEMA,
        "edgekit": __version__,
        "name": manifest.source["name"],
        "task": contract.task,
        "architecture": contract.architecture,
        "model": {
            "path": entry.path,
            "format": entry.target,
            "bytes": entry.size_bytes,
            "sha256": entry.sha256,
            "recipe": entry.recipe,
            "effective_bits": round(entry.effective_bits, 3),
            "runtime": {
                "package": "litert" if tflite else "onnxruntime",
                "oldest": runtime["oldest"],
            },
        },
        "inputs": [_tensor(s, i, "int32" if tflite else "") for i, s in enumerate(contract.inputs)],
        "outputs": [_tensor(s, i) for i, s in enumerate(contract.outputs)],
        "buckets": _buckets(file) if isinstance(file, TfliteFile) else [],
        "max_length": contract.max_length,
        "pad_id": contract.pad_id,
        "mask_id": contract.mask_id,
        "padding_side": contract.padding_side,
        "tokenizer": {**tokenizer, "truncation_side": contract.truncation_side},
        "post": _post(contract),
        **about,
        "self_test": self_test,
        "files": files,
    }


def _tensor(spec: TensorSpec, position: int, dtype: str = "") -> dict[str, Any]:
    return {
        "name": spec.name,
        "position": position,
        "dtype": dtype or spec.dtype,
        "shape": list(spec.shape),
    }


def _buckets(file: TfliteFile) -> list[dict[str, Any]]:
    """Signatures by length, with their inputs in the order that positional APIs take them."""
    names = file.signature_inputs()
    return [
        {"length": length, "signature": name, "inputs": names[name]}
        for (_, length), name in sorted(bucket_keys(names, None).items())
    ]


def _post(contract: Contract) -> dict[str, Any]:
    """What is left to do with the outputs; pooling and norm are in the graph already."""
    logits = contract.task in _LOGITS
    return {
        "pooling": contract.pooling,
        "normalize": contract.normalize,
        "in_graph": True,
        "activation": _ACTIVATIONS.get(contract.problem_type, "softmax") if logits else "none",
        "labels": list(contract.labels),
    }
