"""Opening what an export or a sweep starts from: packages, the source, its lengths, a target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.converters.float_model import Target
from edgekit.converters.quantize.allocator import share_one_heap
from edgekit.converters.quantize.methods import get_method
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.sources.checkpoint import Checkpoint
from edgekit.converters.sources.resolve import resolve
from edgekit.converters.tensorflow.client import is_foreign

from edgekit.errors import CasesError, MissingExtraError, UnsupportedError
from edgekit.recipe import Recipe
from edgekit.tasks.cases import read_cases

DEFAULT_BUCKETS = (32, 64, 128)
#: of a language model: tokens of its prefill signatures, and positions of its cache
DEFAULT_PREFILL, DEFAULT_CONTEXT = (32, 128), 512


def require_packages(targets: Sequence[str], purpose: str = "exporting") -> None:
    """Refuse to start without what the targets' exporters need.

    Raises:
      MissingExtraError: a package is not installed.
    """
    from importlib.util import find_spec

    needed = ["torch", "transformers", "safetensors", "tokenizers"]
    needed += ["onnx", "onnxscript", "onnxruntime"] if "onnx" in targets else []
    needed += ["litert_torch", "ai_edge_litert"] if "tflite" in targets else []
    for package in needed:
        if find_spec(package) is None:
            raise MissingExtraError(package.replace("_", "-"), "convert", purpose)


def display_name(model: str, folder: Path) -> str:
    """The name that manifest and table show: never a path of this machine."""
    path = Path(model)
    return folder.resolve().name if path.exists() else model


def load_source(
    model: str, task: str | None, max_length: int | None, base: str | None
) -> Checkpoint:
    """Load a checkpoint: folder, hub id or "demo".

    Raises:
      UnsupportedError: a SavedModel or Keras file, which only ``export`` and ``validate`` take.
    """
    if is_foreign(Path(model).expanduser()):
        raise UnsupportedError(
            f"'{model}' is a TensorFlow or Keras source, which has no torch module to look into.",
            "`edgekit export` and `edgekit validate --reference` take it.",
        )
    require_packages(())
    share_one_heap()  # before torch starts threads
    folder = resolve(model)
    with quiet_libraries():
        from edgekit.converters.sources.transformers_folder import load_checkpoint

        return load_checkpoint(folder, display_name(model, folder), task, max_length, base)


def load_for_buckets(
    model: str, task: str | None, max_length: int | None, base: str | None, lengths: Sequence[int]
) -> Checkpoint:
    """``load_source`` where buckets may have been asked for and no maximum length.

    An encoder's largest bucket is its maximum length. A causal model reads a long prompt bucket by
    bucket, so its buckets say nothing of its context.

    Args:
      lengths: of the buckets.
    """
    longest = max(lengths) if lengths and max_length is None else None
    checkpoint = load_source(model, task, max_length or longest, base)
    generation = checkpoint.contract.generation
    if longest and generation is not None and generation.start_id is None:
        return load_source(model, task, None, base)
    return checkpoint


def fit_tflite(
    checkpoint: Checkpoint, asked: int | None, lengths: Sequence[int] = ()
) -> Checkpoint:
    """With TFLite among the targets the largest bucket is the maximum length.

    Args:
      checkpoint: loaded with that length, where one was asked for.
      asked: the maximum length; None for at most the largest default bucket.
      lengths: of the buckets; the default ones when empty.
    """
    from edgekit.converters.sources.transformers_folder import with_length

    limit = checkpoint.contract.max_length
    generation = checkpoint.contract.generation
    if generation is not None and generation.start_id is None:
        context = limit if asked else min(limit, DEFAULT_CONTEXT)
        shorter = with_length(checkpoint, context, ())
        chosen = tuple(lengths) or DEFAULT_PREFILL
        return with_length(shorter, context, sorted({min(n, context) for n in chosen}))
    limit = limit if asked or lengths else min(limit, DEFAULT_BUCKETS[-1])
    chosen = tuple(lengths) or tuple(b for b in DEFAULT_BUCKETS if b < limit)
    return with_length(checkpoint, limit, sorted({*chosen, limit}))


def open_target(name: str) -> Target:
    """The target of that name, "onnx" or "tflite"."""
    if name == "onnx":
        from edgekit.converters.to_onnx.target import OnnxTarget

        return OnnxTarget()
    from edgekit.converters.to_tflite.target import TfliteTarget

    return TfliteTarget()


def check_recipes(path: Path, recipes: Sequence[Recipe]) -> None:
    """Refuse methods that look at what a torch module does with text, where there is no such.

    Args:
      path: of the source.
      recipes: that were asked for.
    Raises:
      UnsupportedError: one of them calibrates.
    """
    for recipe in recipes:
        method = None if recipe.method is None else get_method(recipe.method)
        if method is not None and method.needs != "nothing":
            raise UnsupportedError(
                f"method '{method.name}' of recipe '{recipe}' calibrates a torch module on text, "
                f"and '{path.name}' has none that reads text.",
                "leave the method out: the best one that needs no data is taken.",
            )


def calibration_text(path: Path) -> CalibrationText:
    """A user's calibration file.

    Raises:
      CasesError: it cannot be read, or holds no text.
    """
    texts = [text for e in read_cases(path) for text in (e.text, e.text_pair) if text]
    if not texts:
        raise CasesError(
            f"calibration file '{path}' holds no text.",
            "leave --calibration out to use the built-in text.",
        )
    return CalibrationText(path.name, tuple(texts))
