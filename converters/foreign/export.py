"""Exporting a source that its own framework reads: refuse what it has not, then the pipeline."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.converters.foreign.checkpoint import (
    ForeignOptions,
    convert_foreign,
    load_foreign,
    open_source_file,
)
from edgekit.converters.opening import open_target
from edgekit.converters.pipeline import run_pipeline
from edgekit.converters.quantize.methods import get_method

from edgekit.errors import MissingExtraError, UnsupportedError
from edgekit.manifest import Manifest
from edgekit.parity.validate import FileVerdict
from edgekit.progress import Progress
from edgekit.recipe import Recipe


def export_foreign(
    path: Path,
    targets: Sequence[str],
    recipes: Mapping[str, Sequence[Recipe]],
    options: ForeignOptions,
    cases: Path | None,
    staging: Path,
    progress: Progress,
) -> tuple[Manifest, tuple[FileVerdict, ...]]:
    """Load, convert and prove.

    Args:
      path: SavedModel folder or Keras file.
      targets: "onnx", "tflite".
      recipes: of each target.
      options: what the user says of the source.
      cases: .npz file, or None.
      staging: the hidden folder that becomes the result.
      progress: where stages are told.
    Raises:
      UnsupportedError: a recipe whose method needs a torch module.
    """
    check_recipes(path, [r for target in targets for r in recipes[target]])
    _require_packages(targets)
    progress.stage("load")
    with (
        tempfile.TemporaryDirectory(prefix="source-", dir=staging) as scratch,
        open_source_file(path, Path(scratch), options) as foreign,
    ):
        checkpoint, examples = load_foreign(foreign, path.name, options, cases)
        progress.stage(f"convert with {foreign.route}")
        checkpoint = convert_foreign(checkpoint, targets, Path(scratch))
        chosen = [open_target(name) for name in targets]
        return run_pipeline(checkpoint, chosen, recipes, examples, staging, progress)


def check_recipes(path: Path, recipes: Sequence[Recipe]) -> None:
    """Refuse methods that look at what a torch module does with text."""
    for recipe in recipes:
        method = None if recipe.method is None else get_method(recipe.method)
        if method is not None and method.needs != "nothing":
            raise UnsupportedError(
                f"method '{method.name}' of recipe '{recipe}' calibrates a torch module, and "
                f"'{path.name}' has none.",
                "leave the method out: the best one that needs no data is taken.",
            )


def _require_packages(targets: Sequence[str]) -> None:
    from importlib.util import find_spec

    needed = ["onnx", "onnx_ir", "onnxruntime"] if "onnx" in targets else []
    needed += ["ai_edge_litert"] if "tflite" in targets else []
    for package in needed:
        if find_spec(package) is None:
            raise MissingExtraError(package.replace("_", "-"), "tf", "exporting")
