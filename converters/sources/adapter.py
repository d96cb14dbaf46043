"""A PEFT adapter folder: what it asks for, checked before anything is merged.

Source: LoRA, Hu et al. 2021, arXiv 2106.09685 (W + alpha / r * B A); rank-stabilised scaling,
Kalajdzievski 2023, arXiv 2312.03732 (alpha / sqrt(r)); names of files and keys as peft writes them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.converters.sources.quantized import refuse_quantized
from edgekit.converters.sources.trainer_folder import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from edgekit.converters.sources.weights_check import check_weights, find_weights

from edgekit.errors import CheckpointError, EdgekitError, UnsupportedError
from edgekit.manifest import sha256_file

MERGE_WITH_PEFT = (
    "merge it with peft: PeftModel.from_pretrained(base, DIR).merge_and_unload()"
    ".save_pretrained(OUT), and give OUT."
)

#: settings that change nothing in a merge, or that the merge follows
_FOLLOWED = {
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "eva_config",
    "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern",
    "layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core", "modules_to_save",
    "peft_type", "peft_version", "qalora_group_size", "r", "rank_pattern", "revision",
    "runtime_config", "target_modules", "task_type", "use_rslora",
}  # fmt: skip
#: others (PiSSA, OLoRA, CorDA, LoftQ, ...) change the base's weights when training starts, so that
#: the saved matrices belong to a base that is stored nowhere
_PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
_LISTS = ("target_modules", "modules_to_save")
_SPELT = {
    "use_dora": "DoRA", "use_qalora": "QALoRA", "alora_invocation_tokens": "activated LoRA",
    "layer_replication": "layer replication", "lora_bias": "biases in its B matrices",
    "trainable_token_indices": "trained token rows", "target_parameters": "target_parameters",
}  # fmt: skip
_CLASS_OF_TASK = {
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
    "FEATURE_EXTRACTION": "Model",
    "CAUSAL_LM": "ForCausalLM",
    "SEQ_2_SEQ_LM": "ForConditionalGeneration",
}


@dataclass(frozen=True, slots=True)
class AdapterSettings:
    """adapter_config.json, as far as a merge follows it.

    Attributes:
      rank, alpha: the usual ones; patterns override them by module name.
      rank_stabilised: alpha / sqrt(r) instead of alpha / r.
      rank_pattern, alpha_pattern: regular expression at the end of a module's name -> value.
      targets: names (or one regular expression) of adapted modules; None: as the tensors say.
      saved_modules: names of modules that were trained whole.
      base: as training called it, or "".
      classes: endings of the model class that it was trained on; may be empty.
      labels: index -> name, when the folder has a config.json that says so.
    """

    rank: int
    alpha: float
    rank_stabilised: bool
    rank_pattern: Mapping[str, int]
    alpha_pattern: Mapping[str, float]
    targets: tuple[str, ...] | str | None
    saved_modules: tuple[str, ...]
    base: str
    classes: tuple[str, ...]
    labels: Mapping[int, str] | None

    @property
    def described(self) -> str:
        """One phrase for notes."""
        kind = "rank-stabilised LoRA" if self.rank_stabilised else "LoRA"
        return f"{kind} adapter of rank {self.rank} (alpha {self.alpha:g})"

    def rank_of(self, module: str) -> int:
        """The rank that the config gives to a module."""
        return int(self.rank_pattern.get(_matching(self.rank_pattern, module), self.rank))

    def scale_of(self, module: str) -> float:
        """What B A is multiplied by."""
        alpha = float(self.alpha_pattern.get(_matching(self.alpha_pattern, module), self.alpha))
        rank = self.rank_of(module)
        return alpha / math.sqrt(rank) if self.rank_stabilised else alpha / rank


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder whose files were checked.

    Attributes:
      folder: where it lies.
      settings: what it asks for.
      sha256: by file: weights and config, for both shape the merged model.
      stored_as: dtypes of its tensors.
    """

    folder: Path
    settings: AdapterSettings
    sha256: dict[str, str]
    stored_as: frozenset[str]

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / ADAPTER_WEIGHTS


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter.

    Raises:
      CheckpointError: it holds an adapter and whole weights: nobody can tell which is the model.
    """
    if not (folder / ADAPTER_CONFIG).is_file():
        return False
    try:
        find_weights(folder)
    except EdgekitError:
        return True
    raise CheckpointError(
        f"'{folder}' holds both an adapter ({ADAPTER_CONFIG}) and whole weights.",
        "move one of them to a folder of its own.",
    )


def read_adapter(folder: Path) -> Adapter:
    """Read and check an adapter's config and weights.

    Raises:
      CheckpointError: a file is missing or damaged, only pickle weights, NaN or infinite values.
      UnsupportedError: a method or setting that is not merged here.
    """
    config = _read_json(folder / ADAPTER_CONFIG)
    path = folder / ADAPTER_WEIGHTS
    settings = _settings(folder, config)
    if not path.is_file():
        if (folder / "adapter_model.bin").exists():
            raise CheckpointError(
                f"'{folder}' holds only pickle weights (adapter_model.bin), which can run code.",
                "load it with peft where it was trained and save it again: "
                "model.save_pretrained(DIR) writes safetensors.",
            )
        raise CheckpointError(
            f"'{folder}' holds no {ADAPTER_WEIGHTS}.", "save the adapter with save_pretrained."
        )
    digests, dtypes = check_weights([path])
    digests[ADAPTER_CONFIG] = sha256_file(folder / ADAPTER_CONFIG)
    return Adapter(folder, settings, digests, frozenset(dtypes))


def _settings(folder: Path, config: dict[str, Any]) -> AdapterSettings:
    kind = str(config.get("peft_type") or "none")
    if kind.upper() != "LORA":
        raise UnsupportedError(
            f"the adapter '{folder}' is of kind {kind}, and only LORA is merged here.",
            MERGE_WITH_PEFT,
        )
    start = config.get("init_lora_weights")
    unknown = [key for key, value in config.items() if value and key not in _FOLLOWED]
    if start not in _PLAIN_STARTS:
        unknown.insert(0, f"init_lora_weights {start}")
    if not all(isinstance(v, (int, float)) for v in (config.get("r"), config.get("lora_alpha"))):
        raise _damaged(folder, "r and lora_alpha must be numbers")
    if not all(isinstance(config.get(k), (list, str, type(None))) for k in _LISTS):
        raise _damaged(folder, f"{' and '.join(_LISTS)} must be lists of names")
    if unknown:
        named = _SPELT.get(unknown[0], unknown[0])
        raise UnsupportedError(
            f"the adapter '{folder}' uses {named}, which is not merged here.", MERGE_WITH_PEFT
        )
    try:
        rank_pattern = {str(k): int(v) for k, v in (config.get("rank_pattern") or {}).items()}
        alpha_pattern = {str(k): float(v) for k, v in (config.get("alpha_pattern") or {}).items()}
        for pattern in (*rank_pattern, *alpha_pattern):
            re.compile(pattern)
        if min((int(config["r"]), *rank_pattern.values())) < 1:
            raise ValueError("a rank is below 1")
        if not all(map(math.isfinite, (float(config["lora_alpha"]), *alpha_pattern.values()))):
            raise ValueError("an alpha is not finite")
    except (AttributeError, TypeError, ValueError, OverflowError, re.error) as error:
        raise _damaged(folder, str(error)) from error
    return AdapterSettings(
        rank=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        rank_stabilised=bool(config.get("use_rslora")),
        rank_pattern=rank_pattern,
        alpha_pattern=alpha_pattern,
        targets=_targets(folder, config),
        saved_modules=_names(config.get("modules_to_save")),
        base=str(config.get("base_model_name_or_path") or ""),
        classes=_classes(config),
        labels=_labels(folder),
    )


def _targets(folder: Path, config: dict[str, Any]) -> tuple[str, ...] | str | None:
    """Targets, where they can be held against the tensors; None where others narrow them."""
    found = config.get("target_modules")
    narrowed = any(
        config.get(key) not in (None, [], "")
        for key in ("layers_to_transform", "layers_pattern", "exclude_modules")
    )
    if found is None or found == "all-linear" or narrowed:
        return None
    if isinstance(found, str):
        try:
            re.compile(found)
        except re.error as error:
            raise _damaged(folder, f"target_modules is no regular expression, {error}") from error
        return found
    return _names(found)


def _names(found: list[Any] | str | None) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else tuple(str(name) for name in found or ())


def _classes(config: dict[str, Any]) -> tuple[str, ...]:
    """The class that the adapter was trained on: by its task, else by name."""
    task = str(config.get("task_type") or "")
    if task:
        return (_CLASS_OF_TASK.get(task, task),)
    mapping = config.get("auto_mapping")
    name = mapping.get("base_model_class") if isinstance(mapping, dict) else None
    return (str(name),) if name else ()


def _labels(folder: Path) -> Mapping[int, str] | None:
    """Label names from a config.json beside the adapter: peft itself stores none."""
    path = folder / "config.json"
    if not path.is_file():
        return None
    config = _read_json(path)
    refuse_quantized(folder, config)
    try:
        labels = {int(k): str(v) for k, v in config["id2label"].items()}
        return labels if labels and sorted(labels) == list(range(len(labels))) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _matching(patterns: Mapping[str, Any], module: str) -> str:
    """The first pattern that a module's name ends with, as peft matches them."""
    return next((p for p in patterns if re.match(rf"(.*\.)?({p})$", module)), module)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"'{path}' cannot be read ({error}).", "copy it anew.") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"'{path}' is no JSON object.", "copy it anew.")
    return data


def _damaged(folder: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"'{folder / ADAPTER_CONFIG}' is damaged: {reason}.", "copy it anew, or save it again."
    )
