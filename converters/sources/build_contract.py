"""The contract of a transformers checkpoint: inputs, outputs, tokenization, lengths, labels."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from edgekit.converters.sources.sentence_transformers import EmbeddingHead
from edgekit.converters.sources.tokenizer_files import pad_id

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CheckpointError, UnsupportedError
from edgekit.tasks import get_task

#: beyond this a tokenizer's ``model_max_length`` means "not set" (transformers writes 1e30)
_NO_LIMIT = 1_000_000

#: models that number positions behind the padding id, and where they take that id from: the
#: config, or a constant of their own
_SHIFTED = {"roberta": None, "xlm-roberta": None, "camembert": None, "mpnet": 1}

#: models without a table of positions: any length fits
_RELATIVE = ("funnel", "bloom", "t5")


def build_contract(
    task: str,
    architecture: str,
    model: Any,
    tokenizer: Any,
    head: EmbeddingHead,
    max_length: int,
) -> Contract:
    """What every file made from a checkpoint will keep to.

    Args:
      task, architecture: names.
      model: the transformers model.
      tokenizer: transformers' fast tokenizer.
      head: pooling and normalisation, for sentence embedding.
      max_length: the effective length in tokens.
    Raises:
      UnsupportedError: a masked language model whose tokenizer has no mask token.
      CheckpointError: labels that are not numbered from 0 on, or two of one name.
    """
    config = model.config
    names = ["input_ids", "attention_mask"]
    if takes_token_types(model):
        names.append("token_type_ids")
    more: dict[str, Any] = {}
    if task == "text-classification":
        more = classification(config)
    elif task == "token-classification":
        more = {"labels": _labels(config)}
    elif task == "fill-mask":
        if tokenizer.mask_token_id is None:
            raise UnsupportedError(
                "the tokenizer has no mask token, which a masked language model needs.",
                "save a tokenizer with a mask_token beside the model.",
            )
        more = {"mask_id": int(tokenizer.mask_token_id)}
    elif task == "sentence-embedding":
        more = {"pooling": head.pooling, "normalize": head.normalize}
    return Contract(
        task=task,
        architecture=architecture,
        inputs=tuple(TensorSpec(name, "int64", ("batch", "length")) for name in names),
        outputs=_outputs(task, config, head),
        max_length=max_length,
        pad_id=pad_id(tokenizer, config.to_dict()),
        # positions count from the left whatever the mask says: left padding would shift them
        padding_side="right",
        truncation_side=tokenizer.truncation_side,
        # an unknown word is text, though transformers lists its token among the special ones
        special_ids=tuple(sorted({*tokenizer.all_special_ids} - {tokenizer.unk_token_id})),
        **more,
    )


def takes_token_types(model: Any) -> bool:
    """Whether a second text's tokens are marked, and the model looks at it."""
    kinds = int(getattr(model.config, "type_vocab_size", 0) or 0)
    return kinds > 1 and "token_type_ids" in inspect.signature(model.forward).parameters


def _outputs(task: str, config: Any, head: EmbeddingHead) -> tuple[TensorSpec, ...]:
    width = int(config.hidden_size)
    shapes: dict[str, tuple[int | str, ...]] = {
        "sentence-embedding": ("batch", width * len(head.pooling.split("+"))),
        "text-classification": ("batch", int(config.num_labels)),
        "feature-extraction": ("batch", "length", width),
        "token-classification": ("batch", "length", int(config.num_labels)),
        "question-answering": ("batch", "length"),
        "fill-mask": ("batch", "length", int(config.vocab_size)),
    }
    return tuple(TensorSpec(name, "float32", shapes[task]) for name in get_task(task).outputs)


def classification(config: Any) -> dict[str, Any]:
    """Labels and kind of problem of a classifier, as fields of a contract.

    Raises:
      CheckpointError: labels that are not numbered from 0 on, or two of one name.
    """
    kinds = {"multi_label_classification": "multi_label", "regression": "regression"}
    problem = kinds.get(config.problem_type or "", "")
    if not problem:
        problem = "regression" if config.num_labels == 1 else "single_label"
    labels = _labels(config)
    twice = next((name for i, name in enumerate(labels) if name in labels[:i]), None)
    if twice is not None:
        # results are told by name, and a file that swapped the two could not be found out
        raise CheckpointError(
            f"id2label in config.json gives the name {twice!r} to more than one label.",
            "give every label a name of its own there.",
        )
    return {"labels": labels, "problem_type": problem}


def _labels(config: Any) -> tuple[str, ...]:
    """Names by output index; in token classification several outputs may share one."""
    missing = next((i for i in range(config.num_labels) if i not in config.id2label), None)
    if missing is not None:
        known = ", ".join(str(i) for i in sorted(config.id2label)[:12])
        raise CheckpointError(
            f"id2label in config.json names {config.num_labels} labels, but none is number "
            f"{missing} (found {known}).",
            "number the labels there from 0 without gaps, in the order of the model's outputs.",
        )
    return tuple(str(config.id2label[i]) for i in range(config.num_labels))


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
    kind = str(config.get("model_type"))
    # GPT-2's config has a name of its own for them
    said = config.get("max_position_embeddings") or config.get("n_positions")
    positions = int(said or _NO_LIMIT)
    if kind in _RELATIVE:
        positions = _NO_LIMIT
    elif kind in _SHIFTED:
        padding = _SHIFTED[kind]
        positions -= int((config.get("pad_token_id") or 0) if padding is None else padding) + 1
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
    found = min(limits)
    # nothing says what was trained: 512 is what such models were made for
    return found if found < _NO_LIMIT else int(config.get("max_position_embeddings") or 512)
