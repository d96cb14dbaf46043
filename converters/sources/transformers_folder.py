"""A transformers checkpoint folder becomes a Checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.adapter import Adapter
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.sources.layout import Layout, find_layout
from edgekit.converters.sources.merge import load_options, merge_adapter
from edgekit.converters.sources.quantized import refuse_quantized
from edgekit.converters.sources.sentence_transformers import EmbeddingHead, read_head
from edgekit.converters.sources.tokenizer_files import (
    check_tokenizer_files,
    pad_id,
    pad_token_notes,
    prove_conversion,
)
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CheckpointError, UnsupportedError, first_line
from edgekit.tasks import task_names

#: model types that are tested; others are refused until they are (docs/decisions/0006-scope.md)
ARCHITECTURES = ("bert", "distilbert", "roberta", "electra")

#: ending of an entry in config.json's ``architectures`` -> task
_TASK_OF = {"ForSequenceClassification": "text-classification", "Model": "sentence-embedding"}

#: beyond this a tokenizer's ``model_max_length`` means "not set" (transformers writes 1e30)
_NO_LIMIT = 1_000_000


def load_checkpoint(
    folder: Path,
    name: str,
    task: str | None = None,
    max_length: int | None = None,
    base: str | None = None,
) -> Checkpoint:
    """Load a folder that transformers' ``save_pretrained``, its Trainer, or peft wrote.

    Args:
      folder: with config.json, safetensors weights and a tokenizer; see ``layout.find_layout``.
      name: for manifest and messages.
      task: overrides what ``architectures`` and modules.json say.
      max_length: tokens; overrides what the checkpoint says, never beyond what the model can.
      base: folder or hub id of an adapter's base.
    Raises:
      CheckpointError: config, weights or tokenizer missing or damaged.
      UnsupportedError: architecture or task.
    """
    layout = find_layout(folder, base)
    config = layout.config(read_config(layout.model))
    architecture = _architecture(folder, config)
    head = read_head(layout.head)
    task = task or _guess_task(folder, config, head)
    if task not in task_names():
        raise UnsupportedError(
            f"task '{task}' is not supported.", f"supported: {', '.join(task_names())}."
        )
    digests, dtypes = check_weights(find_weights(layout.model))
    tokenizer, notes = _load_tokenizer(layout, config)
    module, model = _load_module(layout.model, task, head, layout.adapter)
    limit = effective_length(folder, config, tokenizer, head, max_length)
    contract = _contract(task, architecture, model, tokenizer, head, limit)
    return Checkpoint(
        name=name,
        contract=contract,
        source={
            "name": name,
            "kind": "transformers",
            "sha256": layout.digests(digests),
            "stored_as": sorted(dtypes),
            "reference": "float32, eager attention, CPU",
            **layout.manifest_entries(notes),
        },
        tokenizer_json=tokenizer.backend_tokenizer.to_str(),
        parameters=named_parameters(model),
        module=module,
        attention=model,
        folder=folder,
    )


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a checkpoint.

    Raises:
      CheckpointError: missing or no JSON object.
      UnsupportedError: it needs remote code, or holds weights that are quantized already.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"'{folder}' holds no config.json: it is not a checkpoint folder.",
            "give the folder that save_pretrained wrote.",
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "copy it anew.") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"'{path}' is no JSON object.", "copy it anew.")
    if config.get("auto_map"):
        raise UnsupportedError(
            f"'{folder}' needs its own Python code (auto_map), which edgekit never runs.",
            "convert it to a class that transformers ships.",
        )
    refuse_quantized(folder, config)
    return config


def _architecture(folder: Path, config: dict[str, Any]) -> str:
    kind = str(config.get("model_type", "none"))
    if kind not in ARCHITECTURES:
        raise UnsupportedError(
            f"architecture '{kind}' of '{folder}' is not supported.",
            f"supported: {', '.join(ARCHITECTURES)}.",
        )
    return kind


def _guess_task(folder: Path, config: dict[str, Any], head: EmbeddingHead | None) -> str:
    if head is not None:
        return "sentence-embedding"
    classes = [str(c) for c in config.get("architectures") or []]
    for ending, task in _TASK_OF.items():
        if any(c.endswith(ending) for c in classes):
            return task
    raise UnsupportedError(
        f"the task of '{folder}' is not supported (architectures: {', '.join(classes) or 'none'}).",
        f"name one with --task: {', '.join(task_names())}.",
    )


def _load_tokenizer(layout: Layout, config: dict[str, Any]) -> tuple[Any, list[str]]:
    """The fast tokenizer, and notes: what a conversion changed, and a pad token that is missing."""
    folder = layout.tokenizer
    check_tokenizer_files(folder)
    with quiet_libraries():
        from transformers import AutoConfig, AutoTokenizer
    try:
        # a tokenizer that lies elsewhere than config.json may not say of what model it is
        elsewhere = {} if (folder / "config.json").is_file() else {
            "config": AutoConfig.from_pretrained(str(layout.model), trust_remote_code=False)
        }  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, **elsewhere)
    except Exception as error:  # transformers raises whatever its parsers do
        raise CheckpointError(
            f"the tokenizer of '{folder}' cannot be loaded ({first_line(error)}).",
            "save it again with save_pretrained.",
        ) from error
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        raise CheckpointError(
            f"the tokenizer of '{folder}' has no fast form.", "save a fast tokenizer there."
        )
    notes = prove_conversion(folder, str(config.get("model_type")), tokenizer)
    return tokenizer, [*notes, *pad_token_notes(tokenizer, config)]


def _load_module(
    folder: Path, task: str, head: EmbeddingHead | None, adapter: Adapter | None = None
) -> tuple[Any, Any]:
    """The task's wrapper and the transformers model in it, float32, evaluation mode."""
    with quiet_libraries():
        import torch
        from edgekit.converters.modules import attention, heads
        from transformers import AutoModel, AutoModelForSequenceClassification
        from transformers.utils import logging

    attention.register()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    kinds = {"text-classification": AutoModelForSequenceClassification}
    options = load_options(adapter) if adapter else {}
    try:
        model, info = kinds.get(task, AutoModel).from_pretrained(
            str(folder),
            dtype=torch.float32,
            attn_implementation="eager",
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except Exception as error:
        raise CheckpointError(
            f"the weights of '{folder}' do not fit its config ({first_line(error)}).",
            "config.json and weights must come from the same save_pretrained.",
        ) from error
    if adapter is not None:
        info = merge_adapter(model, adapter, info)
    _check_loading(folder, info, task)
    model.eval()
    model.requires_grad_(False)
    if task == "text-classification":
        return heads.TextClassificationModule(model).eval(), model
    pooling = head or EmbeddingHead("mean", False, None)
    return heads.SentenceEmbeddingModule(model, pooling.pooling, pooling.normalize).eval(), model


def _check_loading(folder: Path, info: dict[str, Any], task: str) -> None:
    mismatched = list(info.get("mismatched_keys") or [])
    if mismatched:
        name, found, expected = (*mismatched[0], "", "")[:3]
        raise CheckpointError(
            f"tensor '{name}' of '{folder}' has shape {tuple(found)}, the config says "
            f"{tuple(expected)}.",
            "config.json and weights must come from the same save_pretrained.",
        )
    # an embedding is pooled by our own head; a classifier reads the encoder's pooler
    spared = "pooler" if task == "sentence-embedding" else "\0"
    missing = sorted(k for k in info.get("missing_keys") or [] if spared not in k)
    if missing:
        raise CheckpointError(
            f"tensor '{missing[0]}' is missing from the weights of '{folder}'"
            f"{f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''}.",
            "this checkpoint was not fine-tuned for that task; name another with --task.",
        )


def effective_length(
    folder: Path,
    config: dict[str, Any],
    tokenizer: Any,
    head: EmbeddingHead | None,
    asked: int | None,
) -> int:
    """The one maximum length of a folder, in tokens.

    ``asked`` if given, else the smallest that tokenizer, model and modules.json agree on.
    Raises:
      UnsupportedError: more is asked than the model has positions for.
    """
    positions = int(config.get("max_position_embeddings") or _NO_LIMIT)
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert"):
        positions -= int(config.get("pad_token_id") or 0) + 1  # positions start behind the pad id
    if asked is not None:
        if not 2 < asked <= positions:
            raise UnsupportedError(
                f"a maximum length of {asked} does not fit '{folder}'.",
                f"choose 3 to {positions}.",
            )
        return asked
    limits = [positions, int(min(tokenizer.model_max_length or _NO_LIMIT, _NO_LIMIT))]
    if head is not None and head.max_length:
        limits.append(int(head.max_length))
    return min(limits)


def _contract(
    task: str,
    architecture: str,
    model: Any,
    tokenizer: Any,
    head: EmbeddingHead | None,
    max_length: int,
) -> Contract:
    config = model.config
    names = ["input_ids", "attention_mask"]
    if (getattr(config, "type_vocab_size", 0) or 0) > 1:
        names.append("token_type_ids")
    inputs = tuple(TensorSpec(name, "int64", ("batch", "length")) for name in names)
    common: dict[str, Any] = {
        "task": task,
        "architecture": architecture,
        "inputs": inputs,
        "max_length": max_length,
        "pad_id": pad_id(tokenizer, config.to_dict()),
        # positions count from the left whatever the mask says: left padding would shift them
        "padding_side": "right",
        "truncation_side": tokenizer.truncation_side,
    }
    if task == "text-classification":
        labels = tuple(str(config.id2label[i]) for i in range(config.num_labels))
        kinds = {"multi_label_classification": "multi_label", "regression": "regression"}
        problem = kinds.get(config.problem_type or "", "")
        if not problem:
            problem = "regression" if config.num_labels == 1 else "single_label"
        output = TensorSpec("logits", "float32", ("batch", config.num_labels))
        return Contract(outputs=(output,), labels=labels, problem_type=problem, **common)
    shape = head or EmbeddingHead("mean", False, None)
    width = config.hidden_size * len(shape.pooling.split("+"))
    output = TensorSpec("sentence_embedding", "float32", ("batch", width))
    return Contract(outputs=(output,), pooling=shape.pooling, normalize=shape.normalize, **common)


def named_parameters(model: Any) -> dict[str, Floats]:
    """Float parameters as numpy views, tied ones once under their first name."""
    found: dict[str, Floats] = {}
    seen: set[int] = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if parameter.data_ptr() not in seen:
            seen.add(parameter.data_ptr())
            found[name] = parameter.detach().numpy()
    return found


def with_length(checkpoint: Checkpoint, length: int, buckets: Iterable[int]) -> Checkpoint:
    """The same checkpoint with another effective length and buckets in its contract."""
    contract = replace(checkpoint.contract, max_length=length, buckets=tuple(buckets))
    return replace(checkpoint, contract=contract)
