"""Making and breaking checkpoint folders of the kinds that training leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.errors import EdgekitError

ATTENTION = ["query", "value"]
TEXTS = (
    "A wonderful little film.",
    "The battery dies before noon.",
    "Where is the nearest pharmacy?",
    "ok",
    "The plot is thin, the jokes are old, and yet I left the cinema smiling.",
)


def load(folder: Path, **options: Any) -> Any:
    from edgekit.converters.sources.transformers_folder import load_checkpoint

    return load_checkpoint(folder, folder.name, **options)


def rows_of(checkpoint: Any) -> list[dict[str, np.ndarray]]:
    """The texts as the contract's inputs."""
    from tokenizers import Tokenizer

    from edgekit.runtime.tokenizer import TextTokenizer

    reader = TextTokenizer(Tokenizer.from_str(checkpoint.tokenizer_json), checkpoint.contract)
    return reader.encode(TEXTS, [None] * len(TEXTS))


def outputs_of(checkpoint: Any) -> np.ndarray:
    (found,) = checkpoint.reference(rows_of(checkpoint)).values()
    return found


def logits_of(model: Any, rows: list[dict[str, np.ndarray]]) -> np.ndarray:
    """What a transformers or peft model gives, one text at a time."""
    import torch

    model.eval()
    with torch.inference_mode():
        found = [
            model(**{k: torch.from_numpy(v[None]) for k, v in row.items()}).logits.numpy()
            for row in rows
        ]
    return np.concatenate(found)


def edit_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def check_refusal(
    caught: pytest.ExceptionInfo[EdgekitError], code: int, words: str, hint: str = ""
) -> None:
    error = caught.value
    assert error.exit_code == code, error
    assert words in error.message
    assert error.message.endswith(".")
    assert "\n" not in error.message
    assert error.hint
    assert hint in error.hint


def train(base: Path, out: Path, labels: int = 3, **changes: Any) -> Any:
    """A peft model with seeded random adapters on a base, saved; the model itself."""
    import peft
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(7)
    model = AutoModelForSequenceClassification.from_pretrained(str(base), num_labels=labels)
    values = {
        "task_type": "SEQ_CLS", "r": 4, "lora_alpha": 6, "target_modules": ATTENTION, **changes
    }  # fmt: skip
    wrapped = peft.get_peft_model(model, peft.LoraConfig(init_lora_weights=False, **values))
    # logits stay near 1, where float32's own rounding is far below the 1e-5 that is asked for
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if parameter.requires_grad and "lora_" not in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            elif "lora_" in name:
                parameter.mul_(0.7)
    wrapped.save_pretrained(str(out))
    return wrapped
