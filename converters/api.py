"""The only door into the converters: export, sweep, explain, and a source's own outputs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from edgekit.converters.checked_options import (
    DEFAULT_RECIPE,
    check_buckets,
    check_targets,
    mix_recipe,
    parse_recipes,
    refuse_inside,
    refuse_options,
    refuse_text_options,
)
from edgekit.converters.explain.result import Explanation, Matrix
from edgekit.converters.explain.subject import check_source, find_subject, nothing_to_explain
from edgekit.converters.opening import (
    calibration_text,
    check_recipes,
    fit_tflite,
    load_for_buckets,
    load_source,
    open_target,
    require_packages,
)
from edgekit.converters.pipeline import ExportResult, run_pipeline
from edgekit.converters.quantize.texts import CalibrationText
from edgekit.converters.quiet import quiet_libraries
from edgekit.converters.shrink.distill import distill as distill
from edgekit.converters.shrink.prune import Pruning as Pruning
from edgekit.converters.shrink.prune import prune as prune
from edgekit.converters.shrink.trim import trim_vocab as trim_vocab
from edgekit.converters.sources.resolve import resolve
from edgekit.converters.sweep.open import sweep
from edgekit.converters.tensorflow.client import is_foreign

from edgekit.budget import read_budget
from edgekit.contract import Contract
from edgekit.errors import UsageError
from edgekit.parity.golden import Golden, make_golden
from edgekit.progress import Progress
from edgekit.runtime.model import Model
from edgekit.runtime.rows import require_text
from edgekit.runtime.tokenizer import TextTokenizer
from edgekit.scaling.options import ScalingOptions
from edgekit.scaling.result import Scaling
from edgekit.staging import staged_folder
from edgekit.support import TARGETS, check_supported
from edgekit.tasks import Example, get_task
from edgekit.tasks.builtin_cases import builtin_cases
from edgekit.tasks.cases import read_cases, read_text
from edgekit.tasks.examples import read_examples
from edgekit.tasks.image_cases import holds_pictures

__all__ = ["Explanation", "Matrix", "explain", "export", "open_source", "reference_golden", "sweep"]


def export(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    targets: Sequence[str] = TARGETS,
    recipes: Sequence[str] = (),
    task: str | None = None,
    max_length: int | None = None,
    buckets: Sequence[int] | None = None,
    cases: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
    base: str | os.PathLike[str] | None = None,
    allow_padded: bool = False,
    max_size: str | None = None,
    max_drop: str | None = None,
    data: str | os.PathLike[str] | None = None,
    metric: str | None = None,
    verify_data: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    signature: str | None = None,
    custom_objects: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    preprocessing: str | os.PathLike[str] | None = None,
) -> ExportResult:
    """Export a fine-tuned model to small files, each proven to still be that model.

    Args:
      model: checkpoint folder (Trainer's output and peft adapters too), hub id, or "demo"; or a
        SavedModel folder, or a Keras file.
      out: folder to appear, whole, when everything is done.
      targets: "onnx", "tflite".
      recipes: names of recipes or presets; "fast" when empty.
      task: overrides what the checkpoint says.
      max_length: tokens; longer text is cut. With TFLite 128 at most when None.
      buckets: lengths of the TFLite file's signatures; the largest is the maximum length of
        anything but a causal language model, whose context is ``max_length``.
      cases: TSV or JSONL file of texts to judge parity on, in place of the built-in ones; .npz of
        arrays [examples, ...] by input name for a SavedModel or Keras file; a folder of pictures
        for an image model.
      calibration: TSV or JSONL file of texts that quantization below 8 bits may look at, in place
        of the built-in ones; the more and the more varied the better. Labels are not read.
      force: replace an existing folder.
      progress: where stages are told.
      base: folder or hub id of an adapter's base; by default what its adapter_config.json names.
      allow_padded: also make recipes whose codes lie in wider integers, which saves no bytes.
      max_size: budget of bytes ("12MB"): the best mix of widths whose file is no larger, in place
        of a recipe; at most one recipe may say activations and method.
      max_drop: budget of quality: "cosine=0.01", or "accuracy=0.5" (points) with ``data``: the
        smallest mix that measured no worse.
      data, metric, verify_data: labelled rows to search on, their metric, and rows for the last
        word (half of ``data`` when None).
      cache: where a search keeps what it computed, to go on after a kill and to serve the next
        budget; the user's cache folder when None.
      signature: of a SavedModel with several.
      custom_objects: Python file with the layers of a Keras model; it is run.
      labels: file with a label per line, in the order of the output, for such a source.
      preprocessing: file like transformers' preprocessor_config.json: how a picture becomes the
        input of a Keras or TensorFlow image classifier.
    Returns:
      the folder, its manifest and the verdict of each file; ``passed`` is False when a file
      missed a threshold (the folder is there all the same, with the verdict in it).
    Raises:
      EdgekitError: see ``edgekit.errors``; nothing is left at ``out`` then.
    """
    progress = progress or Progress.silent()
    budget = read_budget(max_size, max_drop, _text(data), metric, _text(verify_data))
    if budget is None:
        parsed = {t: parse_recipes(recipes or (DEFAULT_RECIPE,), t) for t in TARGETS}
    else:
        parsed = {key: [mix_recipe(budget, recipes)] for key in TARGETS}
        for file in (budget.data, budget.verify_data):
            if file is not None:
                read_text(file)
    names = check_targets(targets)
    for name in names:
        for recipe in parsed[name]:
            check_supported(recipe, name, allow_padded)
    lengths = check_buckets(buckets, max_length)
    source = Path(model).expanduser()
    if is_foreign(source):
        refuse_options(
            source,
            {
                "--max-length": max_length, "--buckets": buckets, "--calibration": calibration,
                "--base": base, "--max-size": max_size, "--max-drop": max_drop, "--data": data,
            },
        )  # fmt: skip
        from edgekit.converters.foreign.contract import read_options
        from edgekit.converters.foreign.export import export_foreign

        options = read_options(task, signature, custom_objects, labels, preprocessing)
        refuse_inside(Path(out), source)
        given = None if cases is None else Path(cases)
        with staged_folder(Path(out), force) as staging:
            manifest, verdicts = export_foreign(
                source, names, parsed, options, given, staging, progress
            )
        return ExportResult(Path(out), manifest, verdicts)
    own = {
        "--signature": signature, "--custom-objects": custom_objects, "--labels": labels,
        "--preprocessing": preprocessing,
    }  # fmt: skip
    if alien := next((name for name, value in own.items() if value is not None), None):
        raise UsageError(
            f"{alien} is for a SavedModel or a Keras file, and '{model}' is neither.",
            "leave it out.",
        )
    # texts are read before anything heavy is loaded; what pictures become, a contract says
    judged = None if cases is None else Path(cases)
    examples = None if judged is None or holds_pictures(judged) else read_cases(judged)
    text = None if calibration is None else calibration_text(Path(calibration))
    folder = resolve(str(model))
    refuse_inside(Path(out), folder)
    under = None if base is None else str(base)
    if under is not None:
        refuse_inside(Path(out), resolve(under))
    with staged_folder(Path(out), force) as staging:
        progress.stage("load")
        require_packages(names)
        checkpoint = load_for_buckets(str(model), task, max_length, under, lengths)
        if checkpoint.contract.input_kind != "text":
            refuse_text_options(
                checkpoint.contract,
                {"--buckets": buckets, "--calibration": calibration, "a budget": budget},
            )
            check_recipes(Path(model), [r for n in names for r in parsed[n]])
        elif "tflite" in names:
            checkpoint = fit_tflite(checkpoint, max_length, lengths)
        if examples is None and judged is not None:
            examples = read_examples(judged, checkpoint.contract)
        if examples is None:
            examples = builtin_cases(checkpoint.contract)
        chosen_targets = [open_target(name) for name in names]
        mixer = None
        if budget is not None:
            from edgekit.converters.mixed.find import Mixer

            kept = None if cache is None else Path(cache)
            calibrated = text or CalibrationText.builtin()
            mixer = Mixer(checkpoint, budget, calibrated, kept, progress)
        manifest, verdicts = run_pipeline(
            checkpoint, chosen_targets, parsed, examples, staging, progress, text, mixer
        )
    return ExportResult(Path(out), manifest, verdicts)


def scaling(
    models: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ScalingOptions | None = None,
    calibration: str | os.PathLike[str] | None = None,
    max_length: int | None = None,
    progress: Progress | None = None,
) -> Scaling:
    """Which model of a family at which k, for a size: see ``edgekit.converters.scaling.open``."""
    from edgekit.converters.scaling import open as opened

    return opened.scaling(models, data, out, options, calibration, max_length, progress)


def reference_golden(
    model: str,
    contract: Contract,
    examples: Sequence[Example],
    base: str | None = None,
    signature: str | None = None,
    custom_objects: str | os.PathLike[str] | None = None,
) -> Golden:
    """What a checkpoint gives for some texts, under a folder's contract.

    Args:
      model: checkpoint folder, hub id, or "demo".
      contract: of the exported folder: task and lengths are its own.
      examples: the texts.
      base: folder or hub id of an adapter's base.
      signature: of a SavedModel.
      custom_objects: Python file with the layers of a Keras model; it is run.
    Returns:
      inputs, reference outputs and weight sketches, as golden.npz holds them.
    """
    from edgekit.audit.sketch import make_sketch

    if is_foreign(Path(model).expanduser()):
        from edgekit.converters.foreign.checkpoint import golden_of
        from edgekit.converters.foreign.contract import ForeignOptions

        layers = None if custom_objects is None else Path(custom_objects)
        options = ForeignOptions(signature=signature or None, custom_objects=layers)
        return golden_of(Path(model).expanduser(), contract, examples, options)
    checkpoint = load_source(model, contract.task, contract.max_length or None, base)
    # the checkpoint's own, with the folder's lengths
    tokenizer = None
    if contract.input_kind == "text":
        tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, contract)
    examples = checkpoint.judged_examples(examples)
    rows = get_task(contract.task).prepare(examples, contract, tokenizer)
    sketches = {name: make_sketch(value) for name, value in checkpoint.parameters.items()}
    # decisions by the checkpoint's own labels: a folder with other labels must not agree
    return make_golden(examples, rows, checkpoint.reference(rows), checkpoint.contract, sketches)


def explain(
    folder: str | os.PathLike[str],
    recipe: str,
    reference: str | os.PathLike[str],
    target: str | None = None,
    base: str | os.PathLike[str] | None = None,
    texts: int = 150,
    progress: Progress | None = None,
) -> Explanation:
    """Where the quality of an exported file went: by cause, by block, by matrix.

    Args:
      folder: an exported folder.
      recipe: of the file in it.
      reference: the checkpoint that was exported: folder, hub id, or "demo".
      target: "onnx" or "tflite"; the only one, or onnx, when None.
      base: folder or hub id of an adapter's base.
      texts: how many of the built-in evaluation texts, which no calibration reads.
      progress: where stages are told.
    Returns:
      all measurements; empty for a file without codes (fp32, fp16), where nothing was lost.
    Raises:
      EdgekitError: no such file, a damaged one, another model's, or a package that is missing.
    """
    progress = progress or Progress.silent()
    if texts < 1:
        raise UsageError(f"{texts} texts are nothing to measure on.", "give 1 or more.")
    subject = find_subject(Path(folder), recipe, target)
    require_text(subject.manifest.contract, "explaining a file")
    if not subject.has_codes:
        return nothing_to_explain(subject)
    require_packages((), "explaining a file")
    progress.stage("load")
    contract = subject.manifest.contract
    under = None if base is None else str(base)
    checkpoint = load_source(str(reference), contract.task, contract.max_length, under)
    notes = check_source(subject, checkpoint)
    with quiet_libraries():
        from edgekit.converters.explain.run import explain_file
    return explain_file(subject, checkpoint, texts, progress, notes)


def open_source(
    model: str | os.PathLike[str],
    task: str | None = None,
    contract: Contract | None = None,
    max_length: int | None = None,
    base: str | None = None,
) -> Model:
    """A checkpoint in float32 torch behind the methods of ``edgekit.load``'s models.

    Args:
      model: checkpoint folder, hub id, or "demo".
      task: overrides what the checkpoint says.
      contract: of an exported folder, whose task and length are then the source's too.
      max_length: tokens; longer text is cut.
      base: folder or hub id of an adapter's base.
    Raises:
      EdgekitError: the checkpoint cannot be loaded.
    """
    if contract is not None:
        task, max_length = contract.task, contract.max_length or None
    checkpoint = load_source(str(model), task, max_length, base)
    tokenizer = None
    if checkpoint.contract.input_kind == "text":
        tokenizer = TextTokenizer.from_json(checkpoint.tokenizer_json, checkpoint.contract)
    return Model(checkpoint.name, checkpoint.contract, tokenizer, checkpoint.session())


def _text(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)
