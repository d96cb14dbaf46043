"""The torch model of a folder whose weights are in tf_model.h5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from edgekit.converters.sources.tf_weights import Array, read_tf_weights

from edgekit.errors import UnsupportedError

#: types whose TensorFlow classes count positions from padding id 1, whatever config.json says;
#: source: ``padding_idx`` in transformers 4.49, which torch's classes take from the config
_PADDED_BY_ONE = ("roberta", "xlm-roberta", "camembert")
#: ALBERT's first one is never added to anything there (measured: 4.49, one changed at a time)
_SPARED_TIES = (("predictions.bias", "predictions.decoder.bias"),)


def load_tf_model(
    auto_class: Any, folder: Path, paths: Sequence[Path], options: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """What ``auto_class.from_pretrained`` would give for the same weights in safetensors.

    Args:
      auto_class: one of transformers' AutoModel classes.
      folder: with config.json.
      paths: the checked HDF5 files.
      options: of from_pretrained, for an adapter's head.
    Returns:
      the model in float32, and loading info: "missing_keys", "mismatched_keys", "unused".
    Raises:
      CheckpointError: see ``read_tf_weights``.
      UnsupportedError: weights that torch's class would use in another way.
    """
    import torch
    from transformers import AutoConfig

    head = {k: v for k, v in options.items() if k != "ignore_mismatched_sizes"}
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, **head)
    if config.model_type in _PADDED_BY_ONE and config.pad_token_id != 1:
        raise UnsupportedError(
            f"'{folder}' has pad_token_id {config.pad_token_id}: the TensorFlow class of "
            f"{config.model_type} counted positions as for 1, torch's would not.",
            "save it as safetensors from the class that it was trained with.",
        )
    model = auto_class.from_config(
        config, dtype=torch.float32, attn_implementation="eager", trust_remote_code=False
    )
    state = model.state_dict()
    found, misfits, unused = read_tf_weights(paths, {n: tuple(t.shape) for n, t in state.items()})
    places = {name: tensor.data_ptr() for name, tensor in state.items()}
    for spared, used in _SPARED_TIES:
        if spared in found and used in found:
            found[spared] = found[used]
    _check_tied(folder, found, places)
    with torch.no_grad():
        for name, array in found.items():
            state[name].copy_(torch.from_numpy(array))
    filled = {places[name] for name in [*found, *(name for name, _, _ in misfits)]}
    missing = [name for name, place in places.items() if place not in filled]
    return model, {"missing_keys": missing, "mismatched_keys": misfits, "unused": unused}


def tf_notes(folder: Path, paths: Sequence[Path], info: Mapping[str, Any]) -> list[str]:
    """What the manifest says about weights that came from HDF5 files; nothing for others.

    Args:
      info: of ``load_tf_model``.
    """
    if paths[0].suffix != ".h5":
        return []
    files = paths[0].name if len(paths) == 1 else f"{len(paths)} tf_model shards"
    passed_over = ", not from its pickle weights" if any(folder.glob("pytorch_model*.bin")) else ""
    notes = [f"the weights were read from {files}{passed_over}"]
    if unused := info["unused"]:
        more = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        notes.append(f"this task does not use the tensor {unused[0]}{more}")
    return notes


def _check_tied(folder: Path, found: Mapping[str, Array], places: Mapping[str, int]) -> None:
    """One torch parameter under several names must be one tensor in the file too."""
    first: dict[int, str] = {}
    for name, array in found.items():
        other = first.setdefault(places[name], name)
        if not np.array_equal(found[other], array):
            raise UnsupportedError(
                f"'{folder}' holds different tensors for '{other}' and '{name}', which are one "
                "and the same in torch's class.",
                "save it as safetensors from the class that it was trained with.",
            )
