"""What generating needs and no graph says: part of the contract, plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edgekit import plain


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; the checkpoint's ``generation_config`` in our words.

    Attributes:
      temperature: logits are divided by it; 0 takes the best token (greedy).
      top_k: only so many of the best tokens; 0 for all.
      top_p: only the best tokens whose probabilities add up to it (Holtzman et al., 2019).
      repetition_penalty: logits of tokens that were seen are made less likely by this factor
        (Keskar et al., 2019); 1 does nothing.
      no_repeat_ngram: no run of so many tokens comes twice; 0 allows all.
      beams: hypotheses kept at once; 1 is no beam search. Encoder-decoders only.
      length_penalty: exponent of the length by which a beam's score is divided.
      early_stopping: a beam search ends as soon as ``beams`` of its hypotheses have ended.
      max_new_tokens: tokens after the prompt; None for as many as fit.
      min_new_tokens: no end before so many.
      forced_first, forced_last: token id that must come first (behind the start token), or where
        the length ends; None for none.
      suppressed: ids that never come.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool = False
    max_new_tokens: int | None = None
    min_new_tokens: int = 0
    forced_first: int | None = None
    forced_last: int | None = None
    suppressed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """The generating side of a file.

    Attributes:
      cache: (key/value heads, head size) of each decoder layer's self-attention.
      vocabulary: width of the logits.
      context: most positions that the decoder's cache holds, prompt included.
      eos_ids: tokens that end a text, ascending.
      bos_id: token that begins a text, or None. The tokenizer puts it there, not the runtime.
      start_id: token that an encoder-decoder's decoder begins with; None for causal models.
      sampling: the checkpoint's own defaults.
      chat: the folder holds a chat template (``chat_template.jinja``).
    """

    cache: tuple[tuple[int, int], ...]
    vocabulary: int
    context: int
    eos_ids: tuple[int, ...] = ()
    bos_id: int | None = None
    start_id: int | None = None
    sampling: Sampling = field(default_factory=Sampling)
    chat: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @staticmethod
    def from_json(data: Any) -> Generation:
        """Read what ``to_json`` wrote.

        Raises:
          ValueError, KeyError, TypeError: a field is missing, unknown or of the wrong kind.
        """
        values = plain.mapping(data, "generation")
        _known(values, Generation, "generation")
        most = 2**31 - 1
        values["cache"] = tuple(
            (
                plain.integer(plain.sequence(layer, "cache")[0], "cache", 1, most),
                plain.integer(plain.sequence(layer, "cache")[1], "cache", 1, most),
            )
            for layer in plain.sequence(values["cache"], "cache")
        )
        values["vocabulary"] = plain.integer(values["vocabulary"], "vocabulary", 1, most)
        values["context"] = plain.integer(values["context"], "context", 2, 2**24)
        values["eos_ids"] = _ids(values.get("eos_ids", ()), "eos_ids")
        for key in ("bos_id", "start_id"):
            values[key] = _id_or_none(values.get(key), key)
        values["chat"] = plain.flag(values.get("chat", False), "chat")
        values["sampling"] = _sampling(values.get("sampling", {}))
        forced = (values["sampling"].forced_first, values["sampling"].forced_last)
        for number in (values["start_id"], *forced):
            if number is not None and number >= values["vocabulary"]:
                raise ValueError(f"token id {number} is none of {values['vocabulary']}")
        return Generation(**values)


def _sampling(data: Any) -> Sampling:
    values = plain.mapping(data, "sampling")
    _known(values, Sampling, "sampling")
    for key in ("temperature", "top_p", "repetition_penalty", "length_penalty"):
        if key in values:
            values[key] = float(plain.number(values[key], key))
    for key in ("top_k", "no_repeat_ngram", "min_new_tokens"):
        if key in values:
            values[key] = plain.integer(values[key], key, 0, 2**31 - 1)
    if "beams" in values:
        values["beams"] = plain.integer(values["beams"], "beams", 1, 2**10)
    for key in ("max_new_tokens", "forced_first", "forced_last"):
        values[key] = _id_or_none(values.get(key), key)
    if "early_stopping" in values:
        plain.flag(values["early_stopping"], "early_stopping")
    values["suppressed"] = _ids(values.get("suppressed", ()), "suppressed")
    return Sampling(**values)


def _known(values: Mapping[str, Any], kind: type, where: str) -> None:
    if unknown := set(values) - {f.name for f in fields(kind)}:
        raise ValueError(f"unknown field {ascii(min(unknown))[:40]} in {where}")


def _ids(data: Any, where: str) -> tuple[int, ...]:
    return tuple(plain.integer(n, where, 0, 2**31 - 1) for n in plain.sequence(data, where))


def _id_or_none(value: Any, where: str) -> int | None:
    return None if value is None else plain.integer(value, where, 0, 2**31 - 1)
