"""A transformers checkpoint folder becomes a Checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.adapter import Adapter
from edgekit.converters.sources.build_contract import build_contract, effective_length
from edgekit.converters.sources.checkpoint import Checkpoint, Floats
from edgekit.converters.sources.layout import Layout, find_layout
from edgekit.converters.sources.merge import load_options, merge_adapter
from edgekit.converters.sources.quantized import refuse_quantized
from edgekit.converters.sources.sentence_transformers import EmbeddingHead, read_head
from edgekit.converters.sources.tf_module import load_tf_model, tf_notes
from edgekit.converters.sources.tokenizer_files import (
    check_tokenizer_files,
    pad_token_notes,
    prove_conversion,
)
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.errors import CheckpointError, EdgekitError, UnsupportedError, first_line
from edgekit.tasks import get_task, task_names

#: model types that are tested; others are refused until they are (docs/decisions/0006-scope.md)
ARCHITECTURES = (
    "bert", "distilbert", "roberta", "xlm-roberta", "camembert", "electra", "albert", "mpnet",
    "mobilebert", "deberta-v2", "modernbert", "ernie", "squeezebert", "convbert", "funnel",
)  # fmt: skip

#: model types that look at pictures (``image_folder``)
IMAGE_ARCHITECTURES = ("resnet", "mobilenet_v2", "vit")

#: model types that generate (``causal_folder``)
CAUSAL_ARCHITECTURES = (
    "llama", "mistral", "qwen2", "qwen3", "gemma3_text", "phi3", "smollm3", "gpt2", "opt",
    "gpt_neox", "bloom",
)  # fmt: skip

#: model types with an encoder and a decoder (``seq2seq_folder``)
SEQ2SEQ_ARCHITECTURES = ("t5", "bart", "marian", "pegasus", "m2m_100")

#: task -> ending of an entry in config.json's ``architectures``, and transformers' class for it.
#: A bare encoder is taken for sentence embedding; its token vectors are asked for by name.
_TASKS = {
    "text-classification": ("ForSequenceClassification", "AutoModelForSequenceClassification"),
    "token-classification": ("ForTokenClassification", "AutoModelForTokenClassification"),
    "question-answering": ("ForQuestionAnswering", "AutoModelForQuestionAnswering"),
    "fill-mask": ("ForMaskedLM", "AutoModelForMaskedLM"),
    "sentence-embedding": ("Model", "AutoModel"),
    "feature-extraction": ("Model", "AutoModel"),
    "image-classification": ("ForImageClassification", "AutoModelForImageClassification"),
    "text-generation": ("ForCausalLM", "AutoModelForCausalLM"),
    "text2text-generation": ("ForConditionalGeneration", "AutoModelForSeq2SeqLM"),
}
#: tasks that a bare encoder serves: a checkpoint with another head has its encoder too
_HEADLESS = ("sentence-embedding", "feature-extraction")


IMAGE_TASK, CAUSAL_TASK = "image-classification", "text-generation"
SEQ2SEQ_TASK = "text2text-generation"
_GENERATING = (CAUSAL_TASK, SEQ2SEQ_TASK)


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
    if architecture in IMAGE_ARCHITECTURES:
        from edgekit.converters.sources.image_folder import load_image_checkpoint

        return load_image_checkpoint(folder, layout, config, name, task, max_length)
    if architecture in CAUSAL_ARCHITECTURES:
        from edgekit.converters.sources.causal_folder import load_causal_checkpoint

        return load_causal_checkpoint(folder, layout, config, name, task, max_length)
    if architecture in SEQ2SEQ_ARCHITECTURES:
        from edgekit.converters.sources.seq2seq_folder import load_seq2seq_checkpoint

        return load_seq2seq_checkpoint(folder, layout, config, name, task, max_length)
    head = read_head(layout.head)
    task = task or _guess_task(folder, config, head)
    if task not in task_names():
        raise UnsupportedError(
            f"task '{task}' is not supported.", f"supported: {', '.join(task_names())}."
        )
    if task not in _TASKS or task in (IMAGE_TASK, CAUSAL_TASK, SEQ2SEQ_TASK):
        raise UnsupportedError(
            f"'{folder}' is a text model ({architecture}), not one for {task}.",
            "leave --task out.",
        )
    weights = find_weights(layout.model)
    digests, dtypes = check_weights(weights)
    tokenizer, notes = load_tokenizer(layout, config)
    pooling = head or EmbeddingHead("mean", False, None)
    module, model, more = load_module(layout.model, weights, task, pooling, layout.adapter)
    limit = effective_length(folder, config, tokenizer, head, max_length)
    contract = build_contract(task, architecture, model, tokenizer, pooling, limit)
    return Checkpoint(
        name=name,
        contract=contract,
        source=source_facts(name, layout, digests, dtypes, [*notes, *more]),
        tokenizer_json=tokenizer.backend_tokenizer.to_str(),
        parameters=named_parameters(model),
        module=module,
        model=model,
        folder=folder,
    )


def source_facts(
    name: str,
    layout: Layout,
    digests: dict[str, str],
    dtypes: Iterable[str],
    notes: Sequence[str],
    how: str = "",
) -> dict[str, Any]:
    """What the manifest says of a transformers source.

    Args:
      name: as the user gave it, without folders.
      layout: its folders.
      digests, dtypes: of its weights, as ``check_weights`` gave them.
      notes: what was chosen or changed on the way.
      how: what else is to say of the reference's run.
    """
    return {
        "name": name,
        "kind": "transformers",
        "sha256": layout.digests(digests),
        "stored_as": sorted(dtypes),
        "reference": f"float32, eager attention, {how}CPU",
        **layout.manifest_entries([*notes]),
    }


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
    known = (
        *ARCHITECTURES, *CAUSAL_ARCHITECTURES, *SEQ2SEQ_ARCHITECTURES, *IMAGE_ARCHITECTURES
    )  # fmt: skip
    if kind not in known:
        raise UnsupportedError(
            f"architecture '{kind}' of '{folder}' is not supported.",
            f"supported: {', '.join(known)}.",
        )
    return kind


def _guess_task(folder: Path, config: dict[str, Any], head: EmbeddingHead | None) -> str:
    if head is not None:
        return "sentence-embedding"
    classes = [str(c) for c in config.get("architectures") or []]
    for task, (ending, _) in _TASKS.items():
        # architectures that generate are told by their model type, before this
        if task not in _GENERATING and any(c.endswith(ending) for c in classes):
            return task
    raise UnsupportedError(
        f"the task of '{folder}' is not supported (architectures: {', '.join(classes) or 'none'}).",
        f"name one with --task: {', '.join(task_names())}.",
    )


def load_tokenizer(layout: Layout, config: dict[str, Any]) -> tuple[Any, list[str]]:
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


def load_module(
    folder: Path,
    weights: Sequence[Path],
    task: str,
    head: EmbeddingHead,
    adapter: Adapter | None = None,
) -> tuple[Any, Any, list[str]]:
    """The task's wrapper, the transformers model in it, float32, evaluation mode; and notes."""
    with quiet_libraries():
        import torch
        import transformers
        from edgekit.converters.modules import attention, heads
        from transformers.utils import logging

    attention.register()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options = load_options(adapter) if adapter else {}
    auto_class = getattr(transformers, _TASKS[task][1])
    try:
        if weights[0].suffix == ".h5":
            model, info = load_tf_model(auto_class, folder, weights, options)
        else:
            model, info = auto_class.from_pretrained(
                str(folder),
                dtype=torch.float32,
                attn_implementation="eager",
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except EdgekitError:
        raise
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
    if task == "sentence-embedding":
        module = heads.SentenceEmbeddingModule(model, head.pooling, head.normalize)
    elif task == SEQ2SEQ_TASK:
        from edgekit.converters.generation.encoder_decoder_module import TeacherForced

        module = TeacherForced(model)
    elif task == IMAGE_TASK:
        module = heads.PicturesModule(model)
    else:
        module = heads.OutputsModule(model, get_task(task).outputs)
    return module.eval(), model, tf_notes(folder, weights, info)


def _check_loading(folder: Path, info: dict[str, Any], task: str) -> None:
    mismatched = list(info.get("mismatched_keys") or [])
    if mismatched:
        name, found, expected = (*mismatched[0], "", "")[:3]
        raise CheckpointError(
            f"tensor '{name}' of '{folder}' has shape {tuple(found)}, the config says "
            f"{tuple(expected)}.",
            "config.json and weights must come from the same save_pretrained.",
        )
    # token vectors are taken before the pooler; a classifier reads it
    spared = "pooler" if task in _HEADLESS else "\0"
    missing = sorted(k for k in info.get("missing_keys") or [] if spared not in k)
    if missing:
        raise CheckpointError(
            f"tensor '{missing[0]}' is missing from the weights of '{folder}'"
            f"{f' (and {len(missing) - 1} more)' if len(missing) > 1 else ''}.",
            "this checkpoint was not fine-tuned for that task; name another with --task.",
        )


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
    if contract.generation is not None:
        generation = replace(contract.generation, context=length)
        contract = replace(contract, generation=generation)
    return replace(checkpoint, contract=contract)
