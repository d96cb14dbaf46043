"""Token ids in config.json and generation_config.json: which they are, and their new numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgekit.converters.shrink.vocabularies import Numbers

#: settings of transformers that hold ids and do not say so by their ending
_LISTS = ("suppress_tokens", "begin_suppress_tokens", "bad_words_ids", "force_words_ids")


def named_ids(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Settings that name ids, with each id; negative ones stand for none."""
    for key, value in values.items():
        if _holds_ids(key):
            yield from ((key, number) for number in _flat(value) if number >= 0)


def renumbered(values: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    """The settings that name ids, with the new ones."""
    return {key: _mapped(value, numbers) for key, value in values.items() if _holds_ids(key)}


def renumber_settings(settings: Any, numbers: Numbers) -> None:
    """Change a transformers config, or its GenerationConfig, in place."""
    for key, value in renumbered(settings.to_dict(), numbers).items():
        setattr(settings, key, value)


def _holds_ids(key: str) -> bool:
    return key in _LISTS or key.endswith(("_token_id", "_token_ids"))


def _flat(value: Any) -> Iterator[int]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _flat(part)
    elif isinstance(value, int):
        yield value


def _mapped(value: Any, numbers: Numbers) -> Any:
    if isinstance(value, list | tuple):
        return [_mapped(part, numbers) for part in value]
    return numbers.get(value, value) if isinstance(value, int) else value
