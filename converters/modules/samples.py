"""Inputs to trace a module with, by the contract: values do not matter, shapes and types do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from edgekit.contract import Contract, TensorSpec
from edgekit.runtime.tflite_plain import MAIN, signature_name

Sample = dict[str, Tensor]


def onnx_sample(contract: Contract) -> tuple[Sample, dict[str, Any]]:
    """A batch of two, and which of its axes vary, for ``torch.onnx.export``."""
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length")
    if contract.input_kind != "text":
        sample = {spec.name: _fixed(spec, 2) for spec in contract.inputs}
        return sample, {name: {0: batch} for name in sample}
    # all inputs differ: equal tensors would be merged into one input, without a warning
    sample = {
        name: torch.ones(2, 9, dtype=torch.long) * (i % 2)
        for i, name in enumerate(contract.input_names, 1)
    }
    sample["input_ids"] = torch.arange(18).reshape(2, 9) % 7
    return sample, {name: {0: batch, 1: length} for name in sample}


def tflite_samples(contract: Contract) -> dict[str, Sample]:
    """A batch of one for each signature: one per bucket of a text, else one."""
    if contract.input_kind != "text":
        return {MAIN: {spec.name: _fixed(spec, 1) for spec in contract.inputs}}
    samples = {}
    for bucket in contract.buckets:
        # all inputs differ, as in the ONNX export
        sample = {
            name: torch.full((1, bucket), i % 2, dtype=torch.int32)
            for i, name in enumerate(contract.input_names)
        }
        sample["input_ids"] = (torch.arange(bucket, dtype=torch.int32) % 7)[None]
        samples[signature_name("main", bucket)] = sample
    return samples


def _fixed(spec: TensorSpec, batch: int) -> Tensor:
    shape = [batch, *(int(n) for n in spec.shape[1:])]
    dtype: torch.dtype = getattr(torch, spec.dtype)
    generator = torch.Generator().manual_seed(0)
    if dtype.is_floating_point:
        return torch.rand(shape, generator=generator, dtype=dtype)
    return torch.randint(0, 2, shape, generator=generator, dtype=dtype)
