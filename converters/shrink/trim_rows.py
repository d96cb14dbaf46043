"""The parameters of a model that have a row per token, and the model without some of them.

No list of names: transformers builds the model's class twice without memory, for the vocabulary
before and after. What changes its shape has a row per token.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from edgekit.converters.shrink.trim_ids import renumber_settings
from edgekit.converters.shrink.vocabularies import Numbers

from edgekit.errors import UnsupportedError

#: settings that hold the number of rows; Marian says it of its decoder once more
_SIZES = ("vocab_size", "decoder_vocab_size")


def vocabulary_axes(model: Any) -> dict[str, int]:
    """The axis of tokens, by the name of each parameter and buffer that has one.

    Raises:
      UnsupportedError: there are none, one has several such axes, or the decoder has tokens of its
        own.
    """
    before = int(model.config.vocab_size)
    if any(getattr(model.config, name, None) not in (None, before) for name in _SIZES):
        raise UnsupportedError(
            "its decoder has a vocabulary of its own.", "models with one vocabulary can be cut."
        )
    wider = copy.deepcopy(model.config)
    _set_size(wider, before + 1)
    shapes, others = _shapes(model, model.config), _shapes(model, wider)
    found = {}
    for name, shape in shapes.items():
        axes = [i for i, size in enumerate(shape) if size != others[name][i]]
        if not axes:
            continue
        if len(axes) > 1 or shape[axes[0]] != before:
            raise UnsupportedError(
                f"parameter '{name}' of shape {tuple(shape)} has no plain row per token.",
                "only models whose tables have a row per token can be cut.",
            )
        found[name] = axes[0]
    if not found:
        raise UnsupportedError("no parameter of the model has a row per token.", "")
    return found


def counts_from_padding(model: Any, axes: Mapping[str, int]) -> bool:
    """Whether positions are numbered from the padding token's id on (RoBERTa and its kin).

    Told by a module with weights of its own, none of them with a row per token, that knows the id.
    """
    tables = {name.rpartition(".")[0] for name in axes}
    return any(
        getattr(part, "padding_idx", None) is not None
        and name not in tables
        and any(True for _ in _own(part))
        for name, part in model.named_modules()
    )


def cut_rows(model: Any, axes: Mapping[str, int], numbers: Numbers) -> None:
    """Take rows out of a model in memory, and renumber the ids that its configs name.

    Args:
      model: changed in place; tied parameters stay tied.
      axes: as ``vocabulary_axes`` gave them.
      numbers: new id by old one.
    """
    import torch

    before, after = int(model.config.vocab_size), len(numbers)
    rows = torch.tensor(sorted(numbers))
    made: dict[int, tuple[Any, Any]] = {}  # the old ones are held, so that no id comes again
    for name, axis in axes.items():
        place, _, attribute = name.rpartition(".")
        part = model.get_submodule(place)
        old = getattr(part, attribute)
        if id(old) not in made:
            cut = old.detach().index_select(axis, rows)
            is_parameter = isinstance(old, torch.nn.Parameter)
            made[id(old)] = old, torch.nn.Parameter(cut, False) if is_parameter else cut
        setattr(part, attribute, made[id(old)][1])
        for size in ("num_embeddings", "out_features"):
            if getattr(part, size, None) == before:
                setattr(part, size, after)
        if getattr(part, "padding_idx", None) is not None:
            part.padding_idx = numbers.get(part.padding_idx)
    renumber_settings(model.config, numbers)
    if getattr(model, "generation_config", None) is not None:
        renumber_settings(model.generation_config, numbers)
    _set_size(model.config, after)


def _set_size(config: Any, rows: int) -> None:
    for name in _SIZES:
        if getattr(config, name, None) is not None:
            setattr(config, name, rows)


def parameter_count(model: Any) -> int:
    """Numbers in all parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _shapes(model: Any, config: Any) -> dict[str, Any]:
    import torch

    with torch.device("meta"):
        return {n: value.shape for n, value in type(model)(config).state_dict().items()}


def _own(part: Any) -> Iterator[Any]:
    yield from part.parameters(recurse=False)
    yield from part.buffers(recurse=False)
