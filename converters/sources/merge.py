"""An adapter's matrices into its base's float32 weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.converters.sources.adapter import MERGE_WITH_PEFT, Adapter

from edgekit.errors import CheckpointError, UnsupportedError

_PREFIX = "base_model.model."
#: lora_A.weight, lora_A.default.weight, lora_embedding_A, lora_embedding_A.default
_FACTOR = re.compile(r"(.+)\.lora_(embedding_)?([AB])(?:\.(?!bias$)[\w-]+)??(?:\.weight)?")
#: wrappers that peft puts around a module; some of its versions leave them in the names
_WRAPPER = re.compile(r"\.(?:modules_to_save(?:\.default)?|base_layer)(?=\.)")
#: where a classifier's last matrix lies: its rows are the labels
_LABEL_ROWS = (
    "classifier.weight", "classifier.out_proj.weight", "classifier.linear_out.weight",
    "score.weight",
)  # fmt: skip


def split_tensors(
    adapter: Adapter,
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The tensors of an adapter's file, float32.

    Returns:
      factors: module name -> {"A": [r, in], "B": [out, r]}; embeddings under "embedding_A"
        [r, rows] and "embedding_B" [width, r].
      whole: parameter name -> the trained tensor that replaces the base's.
    """
    from safetensors.torch import load_file

    factors: dict[str, dict[str, Any]] = {}
    whole: dict[str, Any] = {}
    for name, tensor in load_file(adapter.weights).items():
        short = name.removeprefix(_PREFIX)
        match = _FACTOR.fullmatch(short)
        if match:
            key = f"{match[2] or ''}{match[3]}"
            factors.setdefault(match[1], {})[key] = tensor.float()
        elif "lora_" in short:
            raise UnsupportedError(
                f"the adapter '{adapter.folder}' holds '{short}', which is no plain LoRA matrix.",
                MERGE_WITH_PEFT,
            )
        elif ".original_module." not in short:  # the base's own, kept for switching back
            whole[_WRAPPER.sub("", short)] = tensor.float()
    return factors, whole


def load_options(adapter: Adapter) -> dict[str, Any]:
    """What from_pretrained must know to make the base with the adapter's head.

    The base was often trained for another number of labels, or for none.
    """
    options: dict[str, Any] = {"ignore_mismatched_sizes": True}
    _, whole = split_tensors(adapter)
    rows = next((whole[n].shape[0] for n in _LABEL_ROWS if n in whole and whole[n].ndim == 2), None)
    labels = adapter.settings.labels
    if labels is not None and rows in (None, len(labels)):
        options["id2label"] = dict(labels)
        options["label2id"] = {label: index for index, label in labels.items()}
    elif rows is not None:
        options["num_labels"] = rows
    return options


def merge_adapter(model: Any, adapter: Adapter, info: Mapping[str, Any]) -> dict[str, Any]:
    """Merge an adapter into a model that was loaded from its base.

    Args:
      model: torch module of the class that the adapter was trained on, float32; changed in place.
      adapter: checked.
      info: from_pretrained's loading info.
    Returns:
      the loading info without what the adapter has brought.
    Raises:
      CheckpointError: a tensor that fits no module, by name or by shape; a target module or a
        module trained whole for which the file has nothing.
      UnsupportedError: a target that is no linear layer or embedding, or a tied one.
    """
    import torch

    factors, whole = split_tensors(adapter)
    modules = dict(model.named_modules())
    parameters = dict(model.named_parameters(remove_duplicate=False))
    strangers = [
        *(n for n in factors if n not in modules),
        *(n for n in whole if n not in parameters),
    ]
    if strangers:
        raise _no_place(adapter, strangers[0], model)
    _check_complete(adapter, modules, factors, whole)
    with torch.no_grad():
        for name, tensor in whole.items():
            if parameters[name].shape != tensor.shape:
                raise _misfit(adapter, name, tensor.shape, parameters[name].shape)
            parameters[name].copy_(tensor)
        for name, pair in factors.items():
            weight = _weight(adapter, name, modules[name], parameters)
            delta = _delta(adapter, name, modules[name], weight, pair)
            merged = (weight.double() + delta).float()  # rounded once
            if not bool(merged.isfinite().all()):
                raise CheckpointError(
                    f"the matrices of '{name}' in the adapter '{adapter.folder}' multiply to "
                    "infinity.",
                    "the training diverged, or lora_alpha is wrong: use an earlier checkpoint.",
                )
            weight.copy_(merged)
    mismatched = [m for m in info.get("mismatched_keys") or () if _first(m) not in whole]
    missing = [m for m in info.get("missing_keys") or () if m not in whole]
    return {**info, "mismatched_keys": mismatched, "missing_keys": missing}


def _first(mismatch: Any) -> str:
    return str(mismatch if isinstance(mismatch, str) else mismatch[0])


def _weight(adapter: Adapter, name: str, module: Any, parameters: Mapping[str, Any]) -> Any:
    kind = type(module).__name__
    if kind not in ("Linear", "Embedding", "Conv1D"):
        raise UnsupportedError(
            f"the adapter '{adapter.folder}' changes '{name}', a {kind}, which is not merged here.",
            MERGE_WITH_PEFT,
        )
    weight = parameters[f"{name}.weight"]
    if sum(p.data_ptr() == weight.data_ptr() for p in parameters.values()) > 1:
        raise UnsupportedError(
            f"the adapter '{adapter.folder}' changes '{name}', whose weight the model uses twice "
            "(tied), so that a merge would change both uses.",
            "untie the two, train again, or leave that module out of target_modules.",
        )
    return weight


def _delta(adapter: Adapter, name: str, module: Any, weight: Any, pair: dict[str, Any]) -> Any:
    """scale * B A in the layout of the module's weight, float64."""
    embedding = type(module).__name__ == "Embedding"
    keys = ("embedding_A", "embedding_B") if embedding else ("A", "B")
    if set(pair) != set(keys):
        lacking = [key for key in keys if key not in pair]
        found = f"lacks lora_{lacking[0]}" if lacking else "has matrices of both kinds"
        raise CheckpointError(
            f"module '{name}' of the adapter '{adapter.folder}' {found}.",
            "the file is incomplete: copy it anew, or save the adapter again.",
        )
    down, up = pair[keys[0]], pair[keys[1]]
    rank = adapter.settings.rank_of(name)
    transposed = embedding or type(module).__name__ == "Conv1D"
    rows, columns = tuple(weight.shape)[::-1] if transposed else tuple(weight.shape)
    for key, tensor, expected in ((keys[0], down, (rank, columns)), (keys[1], up, (rows, rank))):
        if tuple(tensor.shape) != expected:
            raise _misfit(adapter, f"{name}.lora_{key}", tensor.shape, expected)
    delta = (up.double() @ down.double()) * adapter.settings.scale_of(name)
    return delta.T if transposed else delta


def _check_complete(
    adapter: Adapter,
    modules: Mapping[str, Any],
    factors: Mapping[str, Any],
    whole: Mapping[str, Any],
) -> None:
    """Nothing that the config promises may be left out of the file."""
    settings = adapter.settings
    saved = [n for n in modules if n and _is_named(n, settings.saved_modules)]
    for name in saved:
        trained = dict(modules[name].named_parameters())
        lacking = [p for p in trained if f"{name}.{p}" not in whole]
        if lacking:
            raise CheckpointError(
                f"the adapter '{adapter.folder}' names '{name}' in modules_to_save, but its file "
                f"has no '{name}.{lacking[0]}'.",
                "save the adapter again with peft's save_pretrained, or check --base.",
            )
    if settings.targets is None:
        return
    inside = tuple(f"{name}." for name in saved)
    for name, module in modules.items():
        if not name or name in saved or name.startswith(inside) or name in factors:
            continue
        is_layer = type(module).__name__ in ("Linear", "Embedding", "Conv1D")
        if is_layer and _is_named(name, settings.targets):
            raise CheckpointError(
                f"the adapter '{adapter.folder}' names '{name}' in target_modules, but its file "
                "has no matrices for it.",
                "the file is incomplete, or the base is another model: check --base.",
            )


def _is_named(name: str, wanted: Iterable[str] | str) -> bool:
    """Whether a module's name is among the wanted ones, as peft matches them."""
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return any(name == ending or name.endswith(f".{ending}") for ending in wanted)


def _no_place(adapter: Adapter, name: str, model: Any) -> CheckpointError:
    return CheckpointError(
        f"'{name}' of the adapter '{adapter.folder}' is no part of its base "
        f"({type(model).__name__}).",
        "the base is another model, or the task another one: check --base and --task.",
    )


def _misfit(adapter: Adapter, name: str, found: Any, expected: Any) -> CheckpointError:
    return CheckpointError(
        f"'{name}' of the adapter '{adapter.folder}' has shape {tuple(found)}, its base and config "
        f"ask for {tuple(expected)}.",
        "the base is another model (--base), or adapter_config.json is another adapter's.",
    )
