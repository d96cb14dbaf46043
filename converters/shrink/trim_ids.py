"""Token ids in config.json and generation_config.json: which they are, and their new numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgekit.converters.shrink.vocabularies import Numbers

#: settings of transformers that hold ids, by their endings and by their names
_ENDINGS = ("_token_id", "_token_ids", "_token_index")
_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "force_words_ids")
#: of [place, id], and of [ids, bias]: both are lists of pairs
_FORCED, _BIASES = "forced_decoder_ids", "sequence_bias"


def named_ids(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that name ids, with each id, nested ones too; negative ones stand for none."""
    found: list[tuple[str, int]] = []

    def note(key: str, number: int) -> int:
        found.append((key, number))
        return number

    _visited(values, note)
    yield from ((key, number) for key, number in found if number >= 0)


def renumbered(values: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """The settings that name ids, with the new ones; of nested ones all that stands beside too."""
    return _visited(values, lambda _, number: numbers.get(number, number))


def renumber_settings(settings: Any, numbers: Numbers) -> None:
    """Change a transformers config, or its GenerationConfig, in place."""
    for key, value in renumbered(settings.to_dict(), numbers).items():
        part = getattr(settings, key)
        if hasattr(part, "to_dict"):  # the config of a part of the model
            renumber_settings(part, numbers)
        else:
            setattr(settings, key, value)


def _visited(values: Mapping[Any, Any], visit: Callable[[str, int], int]) -> dict[str, Any]:
    """What ``visit`` makes of every id, by the settings that hold one."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key == _FORCED and value:
            found[key] = [[place, _each(number, key, visit)] for place, number in value]
        elif key == _BIASES and value:
            pairs = value.items() if isinstance(value, Mapping) else value
            found[key] = [[_each(ids, key, visit), bias] for ids, bias in pairs]
        elif isinstance(value, Mapping):
            if inner := _visited(value, visit):
                found[key] = {**value, **inner}
        elif isinstance(key, str) and (key in _LISTS or key.endswith(_ENDINGS)):
            found[key] = _each(value, key, visit)
    return found


def _each(value: Any, key: str, visit: Callable[[str, int], int]) -> Any:
    if isinstance(value, list | tuple):
        return [_each(part, key, visit) for part in value]
    is_id = isinstance(value, int) and not isinstance(value, bool)
    return visit(key, value) if is_id else value
