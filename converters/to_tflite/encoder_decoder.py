"""How an encoder-decoder becomes one .tflite file.

``encode_<n>`` for each bucket of the source: ``input_ids``, ``attention_mask`` int32 [1, n] ->
``cross.<layer>.key|value`` float32 [1, heads, n, size]. ``decode_<context>``: ``input_ids`` int32
[1, 1], ``position`` int32 [1], ``attention_mask`` int32 [1, context + 1] (the last column is the
new token's), ``encoder_attention_mask`` int32 [1, longest], ``past.<layer>.key|value`` float32 [1,
heads, context, size], ``cross.<layer>.key|value`` [1, heads, longest, size] -> ``logits`` [1, 1,
vocabulary] and the new row ``present.<layer>.key|value`` [1, heads, 1, size]. The cache is the
caller's: only rows go out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from edgekit.converters.float_model import FloatGraph
from edgekit.converters.generation import encoder_decoder_attention
from edgekit.converters.generation.encoder_decoder_module import DecodeModule, EncodeModule
from edgekit.converters.generation.encoder_decoder_repairs import exact_positions
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.to_tflite.export import Trace, export_graph
from edgekit.converters.to_tflite.flatbuffer import Flatbuffer
from edgekit.converters.to_tflite.graph import clean
from torch import Tensor, nn

from edgekit.audit.tflite_file import packed, parse
from edgekit.errors import InternalError
from edgekit.generation.names import CROSS, PAST, PRESENT, cache_names
from edgekit.generation.settings import Generation
from edgekit.runtime.tflite_plain import signature_name


@dataclass(frozen=True, slots=True)
class _Entry:
    """A signature: what is traced, with what, and what its inputs and outputs are called."""

    module: nn.Module
    sample: dict[str, Tensor]
    inputs: Mapping[str, str]
    outputs: tuple[str, ...]


class _StaticDecode(nn.Module):
    """``DecodeModule`` with the tensors of its cache as arguments by name."""

    def __init__(self, model: Any, layers: int) -> None:
        super().__init__()
        self.model = model
        self._step = DecodeModule(model, growing=False)
        self._past, self._cross = (_arguments(kind, layers) for kind in (PAST, CROSS))

    def forward(
        self,
        input_ids: Tensor,
        position: Tensor,
        attention_mask: Tensor,
        encoder_attention_mask: Tensor,
        **tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """See ``DecodeModule.forward``."""
        return self._step(  # type: ignore[no-any-return]
            input_ids,
            attention_mask,
            encoder_attention_mask,
            [tensors[name] for name in self._past],
            [tensors[name] for name in self._cross],
            position,
        )


def export_entries(checkpoint: Checkpoint, path: Path) -> FloatGraph:
    """Export a checkpoint in float32, all signatures over the same weights.

    Args:
      checkpoint: with a torch module that has an encoder and a decoder, and buckets.
      path: where the float graph is written.
    Raises:
      UnsupportedError: the exporter fails on this architecture.
    """
    encoder_decoder_attention.register()
    entries = _entries(checkpoint)
    trace = Trace(
        {name: (entry.module, entry.sample) for name, entry in entries.items()},
        (),
        encoder_decoder_attention.TFLITE,
    )
    with exact_positions(checkpoint.model):
        graph = export_graph(checkpoint, path, trace)
    # each signature has other outputs, so they get their names here
    buffers = Flatbuffer(parse(path))
    _name(buffers, entries)
    clean(buffers)
    path.write_bytes(packed(buffers.model))
    return graph


def _entries(checkpoint: Checkpoint) -> dict[str, _Entry]:
    contract, model = checkpoint.contract, checkpoint.model
    generation = contract.generation
    if generation is None or not contract.buckets:
        raise InternalError("an encoder-decoder without cache or buckets")
    layers, longest = len(generation.cache), contract.buckets[-1]
    entries = {}
    for bucket in contract.buckets:
        sample = {"input_ids": _ids(bucket), "attention_mask": _ones(bucket)}
        entries[signature_name("encode", bucket)] = _Entry(
            EncodeModule(model, generation.cache),
            sample,
            {name: name for name in sample},
            tuple(cache_names(CROSS, layers)),
        )
    fixed = {
        "input_ids": _ids(1),
        "position": torch.tensor([1], dtype=torch.int32),
        "attention_mask": _ones(generation.context + 1),
        "encoder_attention_mask": _ones(longest),
    }
    past = _tensors(PAST, generation, generation.context)
    cross = _tensors(CROSS, generation, longest)
    names = {name: name for name in fixed}
    for kind in (PAST, CROSS):
        names |= dict(zip(_arguments(kind, layers), cache_names(kind, layers), strict=True))
    entries[signature_name("decode", generation.context)] = _Entry(
        _StaticDecode(model, layers),
        {**fixed, **past, **cross},
        names,
        ("logits", *cache_names(PRESENT, layers)),
    )
    return entries


def _name(buffers: Flatbuffer, entries: Mapping[str, _Entry]) -> None:
    """The signatures' inputs and numbered outputs get their names."""
    for signature in buffers.model.signatureDefs:
        entry = entries[signature.signatureKey.decode()]
        for found in signature.inputs:
            found.name = entry.inputs[found.name.decode()].encode()
        for found in signature.outputs:
            number = int(found.name.decode().rpartition("_")[2])
            found.name = entry.outputs[number].encode()


def _arguments(kind: str, layers: int) -> list[str]:
    """Names of a cache's tensors as Python takes them."""
    return [name.replace(".", "_") for name in cache_names(kind, layers)]


def _ids(length: int) -> Tensor:
    return (torch.arange(length, dtype=torch.int32) % 5 + 1)[None]


def _ones(length: int) -> Tensor:
    return torch.ones(1, length, dtype=torch.int32)


def _tensors(kind: str, generation: Generation, length: int) -> dict[str, Tensor]:
    sizes = [layer for layer in generation.cache for _ in ("key", "value")]
    names = _arguments(kind, len(generation.cache))
    return {
        name: torch.full((1, heads, length, size), 0.1 * (number + 1))
        for number, (name, (heads, size)) in enumerate(zip(names, sizes, strict=True))
    }
