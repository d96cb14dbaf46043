"""tf_model.h5 as transformers 4.49's TensorFlow classes wrote it, from a torch model.

Written from the other side than the reader: the kind of the torch module says what a variable is
called, where the reader goes by names alone. Held against files of 4.49 itself when it was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

#: torch class -> the scope of its TensorFlow class
SCOPES = {
    "BertForSequenceClassification": "tf_bert_for_sequence_classification",
    "BertForTokenClassification": "tf_bert_for_token_classification",
    "BertForQuestionAnswering": "tf_bert_for_question_answering",
    "BertForMaskedLM": "tf_bert_for_masked_lm",
    "BertModel": "tf_bert_model",
    "DistilBertForSequenceClassification": "tf_distil_bert_for_sequence_classification",
    "DistilBertForMaskedLM": "tf_distil_bert_for_masked_lm",
    "DistilBertModel": "tf_distil_bert_model",
    "RobertaForSequenceClassification": "tf_roberta_for_sequence_classification",
    "RobertaForMaskedLM": "tf_roberta_for_masked_lm",
}
#: layer that holds a masked language model's word matrix a second time
_OUTPUT_LAYERS = {"bert": "mlm___cls", "distilbert": "vocab_projector", "roberta": "lm_head"}
Variables = dict[str, np.ndarray]
Change = Callable[[dict[str, Variables]], object]


def layers_of(model: Any) -> dict[str, Variables]:
    """Layers of the TensorFlow class: variables of each by their whole names."""
    import torch

    scope = SCOPES[type(model).__name__]
    main = model.base_model_prefix
    modules = dict(model.named_modules())
    layers: dict[str, Variables] = {}
    for name, parameter in model.named_parameters():
        owner, _, last = name.rpartition(".")
        value = parameter.detach().numpy()
        if isinstance(modules[owner], torch.nn.Linear) and last == "weight":
            last, value = "kernel", value.T
        elif isinstance(modules[owner], torch.nn.LayerNorm):
            last = {"weight": "gamma", "bias": "beta"}[last]
        elif isinstance(modules[owner], torch.nn.Embedding):
            last = "weight" if owner.endswith("word_embeddings") else "embeddings"
        path = f"{owner}.{last}".strip(".")
        path = path if hasattr(model, main) else f"{main}.{path}"
        path = re.sub(r"/(\d+)/", r"_._\1/", path.replace(".", "/"))
        path = re.sub("^cls/", "mlm___cls/", path)
        layers.setdefault(path.split("/")[0], {})[f"{scope}/{path}:0"] = value
    if scope.endswith("masked_lm"):
        output = layers.setdefault(_OUTPUT_LAYERS[main], {})
        output |= {n: v for n, v in layers[main].items() if "/embeddings/" in n}
    return layers


def write_h5(path: Path, layers: Mapping[str, Variables], dtype: str = "<f4") -> None:
    """One file: a group per layer, its variables under their whole names."""
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["backend"] = b"tensorflow"
        file.attrs["keras_version"] = b"2.15.0"
        file.attrs["layer_names"] = [name.encode() for name in [*layers, "dropout_1"]]
        for layer, variables in [*layers.items(), ("dropout_1", {})]:
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in variables]
            for name, value in variables.items():
                group.create_dataset(name, data=value.astype(dtype))


def write_shards(folder: Path, layers: Mapping[str, Variables]) -> list[Path]:
    """Three files and their index, which keeps the scopes that the shards leave out."""
    import h5py

    variables = [item for layer in layers.values() for item in layer.items()]
    files = [folder / f"tf_model-{i:05d}-of-00003.h5" for i in (1, 2, 3)]
    weight_map = {}
    for i, path in enumerate(files):
        with h5py.File(path, "w") as file:
            for name, value in variables[i::3]:
                weight_map[name] = path.name
                file.create_dataset(name.partition("/")[2], data=value)
            file.attrs["layer_names"] = [n.partition("/")[2].encode() for n, _ in variables[i::3]]
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "tf_model.h5.index.json").write_text(json.dumps(index))
    return files


def to_tensorflow(folder: Path, auto_class: str, change: Change | None = None) -> Path:
    """A folder of safetensors becomes one with only tf_model.h5, and with a TF class in its config.

    Args:
      change: done to the layers before they are written.
    """
    import transformers

    model = getattr(transformers, auto_class).from_pretrained(str(folder))
    layers = layers_of(model)
    if change is not None:
        change(layers)
    write_h5(folder / "tf_model.h5", layers)
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = [f"TF{name}" for name in config["architectures"]]
    (folder / "config.json").write_text(json.dumps(config))
    return folder
