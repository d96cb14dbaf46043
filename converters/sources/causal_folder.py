"""A transformers folder of a causal language model becomes a Checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from edgekit.converters.generation.linear_layers import to_linear_layers
from edgekit.converters.sources.build_contract import effective_length
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.generation_config import build_generation, chat_template
from edgekit.converters.sources.layout import Layout
from edgekit.converters.sources.sentence_transformers import EmbeddingHead
from edgekit.converters.sources.tokenizer_files import pad_id
from edgekit.converters.sources.transformers_folder import (
    CAUSAL_TASK,
    load_module,
    load_tokenizer,
    named_parameters,
    source_facts,
)
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import UnsupportedError
from edgekit.manifest import CHAT_NAME


def load_causal_checkpoint(
    folder: Path,
    layout: Layout,
    config: dict[str, Any],
    name: str,
    task: str | None,
    max_length: int | None,
) -> Checkpoint:
    """Load a causal language model; its context is the contract's maximum length.

    Args:
      folder: as the user named it.
      layout: where its parts lie.
      config: config.json.
      name, task, max_length: as for ``load_checkpoint``.
    Raises:
      CheckpointError: weights or tokenizer missing or damaged.
      UnsupportedError: another task, or a cache that is not one of keys and values.
    """
    architecture = str(config["model_type"])
    if task not in (None, CAUSAL_TASK):
        raise UnsupportedError(
            f"'{folder}' is a causal language model ({architecture}), not one for {task}.",
            "leave --task out.",
        )
    weights = find_weights(layout.model)
    digests, dtypes = check_weights(weights)
    tokenizer, notes = load_tokenizer(layout, config)
    unused = EmbeddingHead("mean", False, None)
    module, model, more = load_module(layout.model, weights, CAUSAL_TASK, unused, layout.adapter)
    # the reference needs no cache
    model.config.use_cache = False
    if turned := to_linear_layers(model):
        notes.append(f"{len(turned)} matrices are held transposed (Conv1D as linear layers)")
    context = effective_length(folder, config, tokenizer, None, max_length)
    generation = build_generation(model, tokenizer, cache_of(model), context)
    template = chat_template(tokenizer)
    contract = Contract(
        task=CAUSAL_TASK,
        architecture=architecture,
        inputs=tuple(
            TensorSpec(n, "int64", ("batch", "length")) for n in ("input_ids", "attention_mask")
        ),
        outputs=(TensorSpec("logits", "float32", ("batch", "length", generation.vocabulary)),),
        max_length=context,
        pad_id=pad_id(tokenizer, config),
        truncation_side="right",
        special_ids=tuple(sorted({*tokenizer.all_special_ids} - {tokenizer.unk_token_id})),
        generation=generation,
    )
    return Checkpoint(
        name=name,
        contract=contract,
        source=source_facts(name, layout, digests, dtypes, [*notes, *more], "no cache, "),
        tokenizer_json=tokenizer.backend_tokenizer.to_str(),
        parameters=named_parameters(model),
        module=module,
        model=model,
        folder=folder,
        texts={CHAT_NAME: template} if template else {},
    )


def cache_of(model: Any) -> tuple[tuple[int, int], ...]:
    """(key/value heads, head size) of each layer, as the model itself fills a cache.

    Raises:
      UnsupportedError: a layer keeps something else (a state space, compressed keys).
    """
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    with torch.inference_mode():
        model(input_ids=torch.zeros(1, 2, dtype=torch.long), past_key_values=cache, use_cache=True)
    found = []
    for number, layer in enumerate(cache.layers):
        keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
        if keys is None or values is None or keys.dim() != 4 or keys.shape != values.shape:
            raise UnsupportedError(
                f"layer {number} of this {model.config.model_type} model keeps no keys and values "
                "of one size.",
                "supported are decoders with a plain key/value cache.",
            )
        found.append((int(keys.shape[1]), int(keys.shape[3])))
    return tuple(found)
