"""What makes a model of weights, as one digest: kept work is of that model and no other."""

from __future__ import annotations

import hashlib
import json

from edgekit.converters.sources.checkpoint import Checkpoint


def definition_of(checkpoint: Checkpoint) -> str:
    """sha256 of what makes a model of the weights: contract, tokenizer, configuration."""
    config = {} if checkpoint.model is None else checkpoint.model.config.to_dict()
    config.pop("_name_or_path", None)
    parts = [checkpoint.contract.to_json(), checkpoint.tokenizer_json, config]
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
