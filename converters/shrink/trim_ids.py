"""Token ids in config.json and generation_config.json: which they are, and their new numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edgekit.converters.shrink.vocabularies import Numbers

#: settings of transformers that hold ids and do not say so by their ending
_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "force_words_ids")
#: a position and an id in each pair
_PAIRS = "forced_decoder_ids"


def named_ids(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that name ids, with each id; negative ones stand for none."""
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    for key, value in values.items():
        found.clear()
        _changed(key, value, note)
        yield from ((key, number) for number in found if number >= 0)


def renumbered(values: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """The settings that name ids, with the new ones."""

    def new(number: int) -> int:
        return numbers.get(number, number)

    changed = {key: _changed(key, value, new) for key, value in values.items()}
    return {key: value for key, value in changed.items() if value != values[key]}


def renumber_settings(settings: Any, numbers: Numbers) -> None:
    """Change a transformers config, or its GenerationConfig, in place."""
    for key, value in renumbered(settings.to_dict(), numbers).items():
        setattr(settings, key, value)


def _changed(key: str, value: Any, change: Callable[[int], int]) -> Any:
    if key == _PAIRS and value:
        return [[place, _each(number, change)] for place, number in value]
    if key in _LISTS or key.endswith(("_token_id", "_token_ids")):
        return _each(value, change)
    return value


def _each(value: Any, change: Callable[[int], int]) -> Any:
    if isinstance(value, list | tuple):
        return [_each(part, change) for part in value]
    return change(value) if isinstance(value, int) and not isinstance(value, bool) else value
