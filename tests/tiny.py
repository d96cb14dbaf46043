"""Tiny models with seeded random weights whose mask, position and type change the output."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

from edgekit.tasks.builtin_cases import builtin_texts

MAX_LENGTH = 48


def words() -> list[str]:
    text = " ".join(e.text for e in builtin_texts(MAX_LENGTH, False)).lower()
    return sorted(set(re.findall(r"[a-z]{2,}", text)))


def save_tokenizer(folder: Path, types: bool = True) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = list(string.ascii_lowercase + string.digits + string.punctuation + "你好这部电影的")
    pieces = special + letters + [f"##{c}" for c in string.ascii_lowercase] + words()
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    pair = "[CLS] $A [SEP] $B:1 [SEP]:1" if types else "[CLS] $A [SEP] $B [SEP]"
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=pair, special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_LENGTH,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)


def vocabulary_size() -> int:
    return (
        5 + len(string.ascii_lowercase + string.digits + string.punctuation) + 7 + 26 + len(words())
    )


def config_values(**more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        # large, so that attention is not uniform and mask and positions matter
        "initializer_range": 0.25,
        **more,
    }


#: model type -> what its tiny config needs beyond ``config_values``
SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"type_vocab_size": 2},
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4},
    "roberta": {"type_vocab_size": 1},
    "xlm-roberta": {"type_vocab_size": 1},
    "camembert": {"type_vocab_size": 1},
    "electra": {"type_vocab_size": 2, "embedding_size": 16},
    "albert": {"type_vocab_size": 2, "embedding_size": 16},
    "mpnet": {},
    "mobilebert": {
        "type_vocab_size": 2, "embedding_size": 16, "intra_bottleneck_size": 16,
        "num_feedforward_networks": 2, "initializer_range": 0.18,
    },
    "deberta-v2": {
        "type_vocab_size": 0, "relative_attention": True, "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm", "share_att_key": True,
        "position_biased_input": False, "max_relative_positions": -1,
    },
    "modernbert": {
        "num_hidden_layers": 4, "global_attn_every_n_layers": 2, "local_attention": 16,
        "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3,
        "initializer_cutoff_factor": 3.0,
    },
    "ernie": {"type_vocab_size": 2, "use_task_id": True, "task_type_vocab_size": 3},
    "squeezebert": {"type_vocab_size": 2, "embedding_size": 32},
    "convbert": {"type_vocab_size": 2, "embedding_size": 32, "head_ratio": 2},
    "funnel": {
        "block_sizes": [2, 2], "d_model": 32, "n_head": 4, "d_head": 8, "d_inner": 64,
        "type_vocab_size": 3, "initializer_std": 0.5,
    },
}  # fmt: skip
ARCHITECTURES = tuple(SHAPES)

_AUTO = {
    "text-classification": "AutoModelForSequenceClassification",
    "sentence-embedding": "AutoModel",
    "feature-extraction": "AutoModel",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
}


def save_model(folder: Path, kind: str, task: str, seed: int = 0, **more: Any) -> Path:
    """A checkpoint folder; ``kind`` is a model type of transformers."""
    import torch
    import transformers as t

    values = {**config_values(), **SHAPES[kind], **more}
    if kind == "funnel":  # a property of its block sizes there
        del values["num_hidden_layers"]
    config = t.AutoConfig.for_model(kind, **values)
    torch.manual_seed(seed)
    model = getattr(t, _AUTO[task]).from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # the others stay all zeros or all ones, as after training from scratch nothing is:
            # bindings must tell them apart all the same
            if name.endswith("output.dense.bias"):
                parameter.normal_(0, 0.2)
    model.save_pretrained(folder)
    save_tokenizer(folder, types=values.get("type_vocab_size", 0) > 1)
    return folder


def save_classifier(folder: Path, kind: str = "bert", **more: Any) -> Path:
    labels = {0: "negative", 1: "neutral", 2: "positive"}
    return save_model(
        folder,
        kind,
        "text-classification",
        id2label=labels,
        label2id={v: k for k, v in labels.items()},
        **more,
    )


def save_embedder(
    folder: Path, kind: str = "bert", pooling: str = "mean_tokens", normalize: bool = True
) -> Path:
    save_model(folder, kind, "sentence-embedding")
    (folder / "1_Pooling").mkdir()
    config = {"word_embedding_dimension": 32, f"pooling_mode_{pooling}": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling",
         "type": "sentence_transformers.models.Pooling"},
    ]  # fmt: skip
    if normalize:
        modules.append(
            {"idx": 2, "name": "2", "path": "2_Normalize",
             "type": "sentence_transformers.models.Normalize"}
        )  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder
