"""modules.json: pooling and normalisation of a sentence-transformers folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import CheckpointError, UnsupportedError

#: keys of 1_Pooling/config.json -> names used in the contract, in the order of concatenation
_MODES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True)
class EmbeddingHead:
    """What follows the encoder.

    Attributes:
      pooling: names joined by "+".
      normalize: scale vectors to length 1.
      max_length: the folder's own maximum length, or None.
    """

    pooling: str
    normalize: bool
    max_length: int | None


def read_head(folder: Path) -> EmbeddingHead | None:
    """The head that modules.json describes; None when the folder has no modules.json.

    Raises:
      CheckpointError: a file is damaged.
      UnsupportedError: a module or pooling mode that is not supported.
    """
    if not (folder / "modules.json").is_file():
        return None
    modules = _read_json(folder / "modules.json", list)
    _refuse_text_changes(folder)
    pooling, normalize = "mean", False
    for module in modules:
        if not isinstance(module, dict):
            raise CheckpointError(f"'{folder}/modules.json' is damaged.", "copy it anew.")
        kind = str(module.get("type", "")).rsplit(".", 1)[-1]
        if kind == "Pooling":
            pooling = _read_pooling(folder / str(module.get("path", "")) / "config.json")
        elif kind == "Normalize":
            normalize = True
        elif kind != "Transformer":
            raise UnsupportedError(
                f"'{folder}' has a sentence-transformers module '{kind}', which is not supported.",
                "supported: Transformer, Pooling, Normalize.",
            )
    length = None
    config = folder / "sentence_bert_config.json"
    if config.is_file():
        length = _read_json(config, dict).get("max_seq_length")
    return EmbeddingHead(pooling, normalize, length)


def _read_pooling(path: Path) -> str:
    config = _read_json(path, dict)
    modes = [name for key, name in _MODES.items() if config.get(key)]
    unknown = [
        k for k, v in config.items() if k.startswith("pooling_mode_") and v and k not in _MODES
    ]
    if isinstance(config.get("pooling_mode"), str) and not modes:
        modes = [config["pooling_mode"]]
    if unknown or not modes or any(m not in _MODES.values() for m in modes):
        raise UnsupportedError(
            f"'{path}' asks for pooling {unknown or modes or 'none'}, which is not supported.",
            f"supported: {', '.join(_MODES.values())}.",
        )
    return "+".join(modes)


def _refuse_text_changes(folder: Path) -> None:
    """sentence-transformers may change a text before its tokenizer sees it; our files do not.

    Raises:
      UnsupportedError: the folder lower-cases texts itself, or puts a prompt before every text.
    """
    lower, prompts = (
        _read_json(path, dict) if path.is_file() else {}
        for path in (
            folder / "sentence_bert_config.json",
            folder / "config_sentence_transformers.json",
        )
    )
    if lower.get("do_lower_case"):
        raise UnsupportedError(
            f"'{folder}' lower-cases texts outside its tokenizer (do_lower_case).",
            "set do_lower_case to false there and lower-case your texts.",
        )
    if prompts.get("default_prompt_name"):
        raise UnsupportedError(
            f"'{folder}' puts a prompt before every text (default_prompt_name).",
            "set default_prompt_name to null there and write the prompt into your texts.",
        )


def _read_json(path: Path, kind: type) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "copy it anew.") from error
    if not isinstance(data, kind):
        raise CheckpointError(f"'{path}' holds no {kind.__name__}.", "copy it anew.")
    return data
