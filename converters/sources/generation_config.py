"""What a checkpoint says of generating, in edgekit's words: the contract's ``generation``."""

from __future__ import annotations

from typing import Any

from edgekit.generation.settings import Generation, Sampling


def build_generation(
    model: Any,
    tokenizer: Any,
    cache: tuple[tuple[int, int], ...],
    context: int,
    start_id: int | None = None,
) -> Generation:
    """Cache, tokens that begin and end, defaults of sampling.

    Args:
      model: a transformers model that generates.
      tokenizer: transformers' fast tokenizer.
      cache: (key/value heads, head size) of each decoder layer.
      context: positions of the decoder's cache.
      start_id: token that an encoder-decoder's decoder begins with.
    """
    config = model.config.get_text_config()
    said = model.generation_config
    return Generation(
        cache=cache,
        vocabulary=int(config.vocab_size),
        context=context,
        eos_ids=_ids(
            _first(said.eos_token_id, _said(config, "eos_token_id"), tokenizer.eos_token_id)
        ),
        bos_id=_one(
            _first(said.bos_token_id, _said(config, "bos_token_id"), tokenizer.bos_token_id)
        ),
        start_id=start_id,
        sampling=build_sampling(said),
        chat=bool(chat_template(tokenizer)),
    )


def build_sampling(said: Any) -> Sampling:
    """transformers' GenerationConfig as a Sampling; what it leaves open has our defaults."""

    def given(name: str, default: Any) -> Any:
        value = getattr(said, name, None)
        return default if value is None else value

    sampled = bool(given("do_sample", False))
    new = getattr(said, "max_new_tokens", None)
    return Sampling(
        temperature=float(given("temperature", 1.0)) if sampled else 0.0,
        # transformers' own default of 50 holds where a checkpoint samples and says nothing
        top_k=int(given("top_k", 50)) if sampled else 0,
        top_p=float(given("top_p", 1.0)) if sampled else 1.0,
        repetition_penalty=float(given("repetition_penalty", 1.0)),
        no_repeat_ngram=int(given("no_repeat_ngram_size", 0)),
        beams=int(given("num_beams", 1)),
        length_penalty=float(given("length_penalty", 1.0)),
        early_stopping=given("early_stopping", False) is True,
        max_new_tokens=int(new) if new else None,
        min_new_tokens=int(given("min_new_tokens", 0)),
        forced_first=_one(getattr(said, "forced_bos_token_id", None)),
        forced_last=_one(getattr(said, "forced_eos_token_id", None)),
        suppressed=_ids(
            {
                *(getattr(said, "suppress_tokens", None) or ()),
                *(run[0] for run in getattr(said, "bad_words_ids", None) or () if len(run) == 1),
            }
        ),
    )


def chat_template(tokenizer: Any) -> str:
    """The checkpoint's chat template, or ""; the default one where it has several."""
    found = getattr(tokenizer, "chat_template", None) or ""
    if isinstance(found, dict):
        found = found.get("default", "")
    return str(found)


def _said(config: Any, name: str) -> Any:
    """A config need not have every token: T5's has none that begins a text."""
    return getattr(config, name, None)


def _first(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)


def _one(value: Any) -> int | None:
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return None if value is None else int(value)


def _ids(values: Any) -> tuple[int, ...]:
    if values is None:
        return ()
    if isinstance(values, int):
        return (values,)
    return tuple(sorted({int(v) for v in values}))
