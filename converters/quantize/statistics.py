"""Statistics of each matrix's inputs, from a run of the float model.

Text for them comes later (calibration); the default recipe needs only to know which input channels
are large, and those hardly depend on the text: the model is shown its own vocabulary, every n-th
token in the order of ids. Nothing is learned from data, nothing is random. Special tokens stay out:
they are few in real text, and their own outliers would decide the factors (MiniLM: mean cosine
0.9978 with [CLS] and [SEP] around each sequence, 0.9989 without).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from edgekit.converters.sources.checkpoint import Checkpoint

Floats = npt.NDArray[np.float32]

#: sequences x tokens of the vocabulary probe; more changed MiniLM's result by less than 1e-4
PROBE_SEQUENCES, PROBE_LENGTH = 32, 30
#: tokens kept of each layer's input
SAMPLE = 256


@dataclass(frozen=True, slots=True)
class InputStats:
    """What is known of one matrix's input.

    Attributes:
      absmax: float32 [in], largest magnitude by channel.
      sample: float32 [n, in], some tokens' inputs.
      shared: name of the group of matrices that read this same input.
      behind_norm: the input comes from a norm, so the sizes of its channels belong to the model
        rather than to the text.
    """

    absmax: Floats
    sample: Floats
    shared: str
    behind_norm: bool = False


def vocabulary_probe(checkpoint: Checkpoint) -> dict[str, npt.NDArray[np.int64]]:
    """A batch that shows the model its own vocabulary, evenly spread over the ids.

    Returns:
      int64 [PROBE_SEQUENCES, PROBE_LENGTH] by input name: words alone, no padding.
    """
    import json

    tokenizer = json.loads(checkpoint.tokenizer_json)
    added = {int(t["id"]): t["content"] for t in tokenizer.get("added_tokens", []) if t["special"]}
    size = min(
        int(checkpoint.model.get_input_embeddings().weight.shape[0]),
        _vocabulary_size(tokenizer),
    )
    ids = np.array([i for i in range(size) if i not in added], np.int64)
    length = max(1, min(PROBE_LENGTH, checkpoint.contract.max_length))
    picks = ids[np.linspace(0, len(ids) - 1, PROBE_SEQUENCES * length).astype(np.int64)]
    # neighbouring ids go to different sequences: each sequence spans the whole vocabulary
    body = picks.reshape(length, PROBE_SEQUENCES).T
    input_ids = np.ascontiguousarray(body)
    batch = {name: np.zeros_like(input_ids) for name in checkpoint.contract.input_names}
    batch["input_ids"] = input_ids
    batch["attention_mask"] = np.ones_like(input_ids)
    if "decoder_input_ids" in batch:  # a decoder reads the vocabulary too
        batch["decoder_input_ids"] = input_ids
    return batch


def _vocabulary_size(tokenizer: Mapping[str, Any]) -> int:
    vocabulary = tokenizer.get("model", {}).get("vocab", [])
    return len(vocabulary) + len(tokenizer.get("added_tokens", []))


def input_statistics(checkpoint: Checkpoint) -> dict[str, InputStats]:
    """Run the float model on the vocabulary probe and note what each linear layer is given.

    Returns:
      parameter name of the weight -> statistics; matrices that got the very same tensor share a
      group.
    """
    import torch

    found: dict[str, InputStats] = {}
    groups: dict[int, str] = {}
    normed: set[int] = set()
    keep: list[Any] = []  # as long as tensors live, their ids are not used again

    def watch_norm(module: Any, inputs: Any, output: Any) -> None:
        keep.append(output)
        normed.add(id(output))

    def watch(name: str) -> Any:
        def hook(module: Any, inputs: tuple[Any, ...]) -> None:
            keep.append(inputs[0])
            flat = inputs[0].detach().reshape(-1, inputs[0].shape[-1])
            stride = max(1, len(flat) // SAMPLE)
            found[f"{name}.weight"] = InputStats(
                absmax=flat.abs().amax(dim=0).numpy(),
                sample=flat[::stride][:SAMPLE].numpy().copy(),
                shared=groups.setdefault(id(inputs[0]), name),
                behind_norm=id(inputs[0]) in normed,
            )

        return hook

    handles = [
        module.register_forward_pre_hook(watch(name))
        for name, module in checkpoint.model.named_modules()
        if isinstance(module, torch.nn.Linear)
    ]
    handles += [
        module.register_forward_hook(watch_norm)
        for module in checkpoint.model.modules()
        if type(module).__name__.endswith("Norm")
    ]
    batch = {n: torch.from_numpy(v) for n, v in vocabulary_probe(checkpoint).items()}
    try:
        with checkpoint.using_attention("eager"), torch.inference_mode():
            checkpoint.module(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return found
