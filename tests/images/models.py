"""Tiny image classifiers trained for some seconds on drawn pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.tasks.drawn_pictures import draw_pictures

LABELS = ("gradient", "shapes", "stripes", "noise", "spots", "strokes", "checks", "plain")
#: label of each drawn picture, in the order in which they are drawn
KINDS = (0, 1, 2, 3, 4, 5, 6, 1, 7, 0, 5)
PICTURES, STEPS = 220, 40
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


def save_image_model(
    folder: Path, kind: str, seed: int = 0, steps: int = STEPS, **more: Any
) -> Path:
    """A checkpoint folder with its image processor, by model type, trained for some seconds."""
    import torch
    import transformers as t

    torch.manual_seed(seed)
    names = dict(enumerate(LABELS))
    config = t.AutoConfig.for_model(
        kind, id2label=names, label2id={n: i for i, n in names.items()}, **{**SHAPES[kind], **more}
    )
    model = getattr(t, _CLASSES[kind])(config)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(PROCESSORS[kind]), encoding="utf-8")
    train(model, folder, steps)
    model.save_pretrained(folder)
    return folder


def train(model: Any, folder: Path, steps: int) -> None:
    """Teach a model which kind of drawing a picture is; random weights alone amplify any rounding.

    Args:
      model: in float32; norms get random weights first, and the statistics of the pictures at last.
      folder: with preprocessor_config.json.
      steps: of the optimizer.
    """
    import torch
    from edgekit.converters.sources.image_processor import read_preprocessing

    preprocessing = read_preprocessing(folder)
    pictures = draw_pictures(PICTURES, seed=9)
    rows = torch.stack([torch.from_numpy(preprocessing.row(p)) for p in pictures])
    kinds = torch.tensor([KINDS[i % len(KINDS)] for i in range(PICTURES)])
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.3, 0.3)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for _ in range(steps):
        batch = torch.randint(0, PICTURES, (32,))
        optimizer.zero_grad()
        logits = model(pixel_values=rows[batch]).logits
        torch.nn.functional.cross_entropy(logits, kinds[batch]).backward()
        optimizer.step()
    for norm in norms:
        norm.momentum = None  # the mean of what follows
        norm.reset_running_stats()
    with torch.no_grad():
        model(pixel_values=rows)
    model.eval()
