"""A transformers folder of an encoder-decoder becomes a Checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from edgekit.converters.sources.build_contract import effective_length
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.generation_config import build_generation
from edgekit.converters.sources.layout import Layout
from edgekit.converters.sources.sentence_transformers import EmbeddingHead
from edgekit.converters.sources.tokenizer_files import pad_id
from edgekit.converters.sources.transformers_folder import (
    SEQ2SEQ_TASK,
    load_module,
    load_tokenizer,
    named_parameters,
    source_facts,
)
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CheckpointError, UnsupportedError
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.tasks import Example
from edgekit.tasks.text2text_generation import MOST_TARGET, TARGET

#: tokens of a target where the model sets no limit (T5)
DEFAULT_CONTEXT = 512


def load_seq2seq_checkpoint(
    folder: Path,
    layout: Layout,
    config: dict[str, Any],
    name: str,
    task: str | None,
    max_length: int | None,
) -> Checkpoint:
    """Load an encoder-decoder; the maximum length is that of source and target alike.

    Args:
      folder: as the user named it.
      layout: where its parts lie.
      config: config.json.
      name, task, max_length: as for ``load_checkpoint``.
    Raises:
      CheckpointError: weights or tokenizer missing or damaged, or no token to begin with.
      UnsupportedError: another task.
    """
    architecture = str(config["model_type"])
    if task not in (None, SEQ2SEQ_TASK):
        raise UnsupportedError(
            f"'{folder}' is an encoder-decoder ({architecture}), not a model for {task}.",
            "leave --task out.",
        )
    weights = find_weights(layout.model)
    digests, dtypes = check_weights(weights)
    tokenizer, notes = load_tokenizer(layout, config)
    unused = EmbeddingHead("mean", False, None)
    module, model, more = load_module(layout.model, weights, SEQ2SEQ_TASK, unused, layout.adapter)
    length = effective_length(folder, config, tokenizer, None, max_length)
    context = length if max_length else min(length, DEFAULT_CONTEXT)
    start = model.generation_config.decoder_start_token_id
    start = model.config.decoder_start_token_id if start is None else start
    if not isinstance(start, int):
        raise CheckpointError(
            f"'{folder}' does not say what its decoder begins with: decoder_start_token_id is "
            f"{start!r}.",
            "set it in config.json or generation_config.json.",
        )
    generation = build_generation(model, tokenizer, decoder_cache(model), context, start)
    rows: tuple[int | str, ...] = ("batch", "length")
    contract = Contract(
        task=SEQ2SEQ_TASK,
        architecture=architecture,
        inputs=(
            TensorSpec("input_ids", "int64", rows),
            TensorSpec("attention_mask", "int64", rows),
            TensorSpec(TARGET, "int64", ("batch", "target")),
        ),
        outputs=(TensorSpec("logits", "float32", ("batch", "target", generation.vocabulary)),),
        max_length=context,
        pad_id=pad_id(tokenizer, config),
        truncation_side=tokenizer.truncation_side,
        special_ids=tuple(sorted({*tokenizer.all_special_ids} - {tokenizer.unk_token_id})),
        generation=generation,
    )
    return Checkpoint(
        name=name,
        contract=contract,
        source=source_facts(
            name, layout, digests, dtypes, [*notes, *more], "teacher-forced, no cache, "
        ),
        tokenizer_json=tokenizer.backend_tokenizer.to_str(),
        parameters=named_parameters(model),
        module=module,
        model=model,
        folder=folder,
    )


def decoder_cache(model: Any) -> tuple[tuple[int, int], ...]:
    """(heads, head size) of each decoder layer, as the model itself fills a cache.

    Raises:
      UnsupportedError: keys and values of a layer have other shapes than those over the source.
    """
    one = torch.ones(1, 2, dtype=torch.long)
    with torch.inference_mode():
        filled = model(
            input_ids=one, decoder_input_ids=one[:, :1], use_cache=True, return_dict=True
        ).past_key_values
    found = []
    caches = (filled.self_attention_cache.layers, filled.cross_attention_cache.layers)
    for number, (own, cross) in enumerate(zip(*caches, strict=True)):
        shapes = {(t.shape[1], t.shape[3]) for c in (own, cross) for t in (c.keys, c.values)}
        if len(shapes) != 1:
            raise UnsupportedError(
                f"layer {number} of this decoder keeps keys and values of shapes "
                f"{sorted(shapes)} (heads, size), one is expected.",
                "supported are decoders whose keys and values are all of one size.",
            )
        found.append(shapes.pop())
    return tuple((int(heads), int(size)) for heads, size in found)


def with_targets(checkpoint: Checkpoint, examples: Sequence[Example]) -> list[Example]:
    """Cases whose target is known: the given one, else what the source itself says, greedily.

    Args:
      checkpoint: an encoder-decoder.
      examples: texts, some with a target as label.
    """
    contract = checkpoint.contract
    tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    done = []
    for example in examples:
        if example.label is None:
            [row] = tokenizer.encode([example.text], [example.text_pair])
            with checkpoint.using_attention("eager"), torch.inference_mode():
                [ids] = checkpoint.model.generate(
                    input_ids=torch.from_numpy(row["input_ids"])[None],
                    attention_mask=torch.from_numpy(row["attention_mask"])[None],
                    do_sample=False,
                    num_beams=1,
                    max_new_tokens=min(MOST_TARGET, contract.max_length) - 1,
                    min_new_tokens=None,
                )
            example = replace(example, label=tokenizer.decode(ids.tolist(), skip_special=True))
        done.append(example)
    return done
