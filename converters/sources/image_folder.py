"""A transformers folder of an image classifier becomes a Checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.converters.sources.build_contract import classification
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.image_processor import read_preprocessing
from edgekit.converters.sources.layout import Layout
from edgekit.converters.sources.sentence_transformers import EmbeddingHead
from edgekit.converters.sources.transformers_folder import (
    IMAGE_TASK,
    load_module,
    named_parameters,
    source_facts,
)
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import UnsupportedError, UsageError
from edgekit.preprocessing import Preprocessing

#: as transformers' models call it
_INPUT = "pixel_values"
#: model types that know positions of one size alone
_ONE_SIZE = ("vit",)


def load_image_checkpoint(
    folder: Path,
    layout: Layout,
    config: dict[str, Any],
    name: str,
    task: str | None,
    max_length: int | None,
) -> Checkpoint:
    """Load a classifier of pictures and how its pictures are prepared.

    Batch norms are folded in the copy that is exported (``fold_norms``); the reference comes from
    the model as it was given.

    Args:
      folder: as the user named it.
      layout: where its parts lie.
      config: config.json.
      name, task, max_length: as for ``load_checkpoint``; pictures have no length.
    Raises:
      CheckpointError: weights, labels or image processor missing or damaged.
      UnsupportedError: another task, an adapter, or steps that a contract cannot express.
      UsageError: a length was given.
    """
    architecture = str(config["model_type"])
    _refuse(folder, layout, config, architecture, task, max_length)
    preprocessing = read_preprocessing(layout.model, architecture)
    _check_size(folder, config, architecture, preprocessing)
    weights = find_weights(layout.model)
    digests, dtypes = check_weights(weights)
    unused = EmbeddingHead("mean", False, None)
    original, model, told = load_module(layout.model, weights, IMAGE_TASK, unused)
    contract = Contract(
        task=IMAGE_TASK,
        architecture=architecture,
        inputs=(TensorSpec(_INPUT, "float32", ("batch", *preprocessing.shape)),),
        outputs=(TensorSpec("logits", "float32", ("batch", int(model.config.num_labels))),),
        input_kind="image",
        preprocessing=preprocessing,
        **classification(model.config),
    )
    folded, notes = _folded(original, preprocessing)
    return Checkpoint(
        name=name,
        contract=contract,
        source=source_facts(name, layout, digests, dtypes, [*told, *notes]),
        tokenizer_json="",
        parameters=named_parameters(folded.model),
        module=folded,
        model=folded.model,
        folder=folder,
        original=original,
    )


def _refuse(
    folder: Path,
    layout: Layout,
    config: dict[str, Any],
    architecture: str,
    task: str | None,
    max_length: int | None,
) -> None:
    classes = [str(c) for c in config.get("architectures") or []]
    if task not in (None, IMAGE_TASK) or not any("ImageClassification" in c for c in classes):
        raise UnsupportedError(
            f"of {architecture} only {IMAGE_TASK} is supported ('{folder}': "
            f"{task or ', '.join(classes) or 'no architectures'}).",
            "give a folder of a fine-tuned classifier, and leave --task out.",
        )
    if layout.adapter is not None:
        raise UnsupportedError(
            f"'{folder}' is an adapter of an image model, which is not merged here.",
            "merge it first (peft: merge_and_unload(), save_pretrained).",
        )
    if int(config.get("num_channels", 3)) != 3:
        raise UnsupportedError(
            f"'{folder}' reads pictures of {config['num_channels']} channels; 3 are supported.", ""
        )
    if max_length is not None:
        raise UsageError(
            f"'{folder}' reads pictures, which have no length in tokens.",
            "leave --max-length and --buckets out.",
        )


def _check_size(
    folder: Path, config: dict[str, Any], architecture: str, preprocessing: Preprocessing
) -> None:
    size = config.get("image_size", 224)
    wanted = tuple(size) if isinstance(size, list) else (size, size)
    if architecture in _ONE_SIZE and wanted != preprocessing.size:
        raise UnsupportedError(
            f"'{folder}' has positions for {wanted[0]} x {wanted[1]} pixels, its image processor "
            f"gives {preprocessing.size[0]} x {preprocessing.size[1]}.",
            "correct size or crop_size in preprocessor_config.json.",
        )


def _folded(module: Any, preprocessing: Preprocessing) -> tuple[Any, list[str]]:
    import torch
    from edgekit.converters.modules.fold_norms import fold_norms

    sample = torch.rand((1, *preprocessing.shape), generator=torch.Generator().manual_seed(0))
    found = fold_norms(module, {_INPUT: sample})
    notes = [f"{found.count} batch norms were folded into the convolutions before them"]
    if found.left:
        notes.append(f"{len(found.left)} norms stay ({found.left[0]} first)")
    return found.module.eval(), notes if found.count or found.left else []
