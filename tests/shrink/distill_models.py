"""Tiny teachers, and students made of them by adding noise or dropping layers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

TEXTS = tuple(f"a film about {a} and {b} that {c}" for a in ("love", "war", "food", "time")
              for b in ("music", "money", "rain") for c in ("works", "fails"))  # fmt: skip


def write_texts(path: Path, texts: tuple[str, ...] = TEXTS) -> Path:
    """A file of texts without labels."""
    path.write_text("".join(f"{json.dumps({'text': t})}\n" for t in texts), encoding="utf-8")
    return path


def noisy_copy(teacher: Path, folder: Path, size: float = 0.05) -> Path:
    """The same checkpoint, its matrices off by normal noise of a share of their own spread."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(teacher, folder)
    path = folder / "model.safetensors"
    generator = torch.Generator().manual_seed(3)
    weights = load_file(path)
    for name, value in weights.items():
        if value.dim() == 2 and "embeddings" not in name and "embed_tokens" not in name:
            noise = torch.randn(value.shape, generator=generator)
            weights[name] = value + size * value.std() * noise
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def without_last_layer(teacher: Path, folder: Path) -> Path:
    """The same BERT checkpoint with one layer less."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(teacher, folder)
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    last = config["num_hidden_layers"] = config["num_hidden_layers"] - 1
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = load_file(folder / "model.safetensors")
    kept = {n: v for n, v in weights.items() if f"layer.{last}." not in n}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
