"""Tiny image classifiers with seeded random weights and norms that have seen something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LABELS = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay")
EDGE = 64
#: model type -> what its tiny config needs
SHAPES: dict[str, dict[str, Any]] = {
    "resnet": {
        "embedding_size": 16, "hidden_sizes": [32, 48, 64], "depths": [2, 2, 1],
        "layer_type": "bottleneck",
    },
    "mobilenet_v2": {
        "image_size": EDGE, "depth_multiplier": 0.35, "last_hidden_size": 128,
        "finegrained_output": True,
    },
    "vit": {
        "image_size": EDGE, "patch_size": 16, "hidden_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 96, "initializer_range": 0.15,
    },
}  # fmt: skip
#: model type -> how its pictures are prepared
PROCESSORS: dict[str, dict[str, Any]] = {
    "resnet": {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": EDGE},
        "crop_pct": 0.875, "resample": 3, "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    },
    "mobilenet_v2": {
        "image_processor_type": "MobileNetV2ImageProcessor", "size": {"shortest_edge": 72},
        "crop_size": {"height": EDGE, "width": EDGE},
    },
    "vit": {
        "image_processor_type": "ViTImageProcessor", "size": {"height": EDGE, "width": EDGE},
    },
}  # fmt: skip
ARCHITECTURES = tuple(SHAPES)
_CLASSES = {
    "resnet": "ResNetForImageClassification",
    "mobilenet_v2": "MobileNetV2ForImageClassification",
    "vit": "ViTForImageClassification",
}


def save_image_model(folder: Path, kind: str, seed: int = 0, **more: Any) -> Path:
    """A checkpoint folder with its image processor, by model type."""
    import torch
    import transformers as t

    torch.manual_seed(seed)
    names = dict(enumerate(LABELS))
    config = t.AutoConfig.for_model(
        kind, id2label=names, label2id={n: i for i, n in names.items()}, **{**SHAPES[kind], **more}
    )
    model = getattr(t, _CLASSES[kind])(config).eval()
    settle_norms(model, folder.parent / f"{folder.name}.scratch", PROCESSORS[kind])
    model.save_pretrained(folder)
    _write(folder, PROCESSORS[kind])
    return folder


def settle_norms(model: Any, folder: Path, processor: dict[str, Any]) -> None:
    """Give norms random weights, statistics of drawn pictures, and the head a wide spread."""
    import torch
    from edgekit.converters.sources.image_processor import read_preprocessing

    from edgekit.tasks.drawn_pictures import draw_pictures

    folder.mkdir(exist_ok=True)
    preprocessing = read_preprocessing(_write(folder, processor))
    rows = torch.stack([torch.from_numpy(preprocessing.row(p)) for p in draw_pictures(32, seed=9)])
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.3, 0.3)
                module.momentum = None  # the mean of all batches
                module.reset_running_stats()
                module.train()
        model(pixel_values=rows)
        model.eval()
        logits = model(pixel_values=rows).logits
        head = next(m for m in reversed(list(model.modules())) if isinstance(m, torch.nn.Linear))
        # logits around zero that follow the picture, as a trained head's do
        head.weight *= 0.75 / logits.std(dim=0).mean()
        head.bias.copy_(head.bias - model(pixel_values=rows).logits.mean(dim=0))


def _write(folder: Path, processor: dict[str, Any]) -> Path:
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(processor), encoding="utf-8")
    return path
