"""Tiny checkpoints of every kind of vocabulary, and text that uses half of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.tasks.builtin_cases import builtin_texts
from tests.causal import models as causal
from tests.tiny import save_model


def texts(tokens: int = 40) -> list[str]:
    """Texts of one line, none of them empty."""
    return [e.text for e in builtin_texts(tokens, False) if e.text.strip() and e.text.isprintable()]


def write_texts(path: Path, rows: list[str]) -> Path:
    """A .jsonl of texts."""
    lines = [json.dumps({"text": row}) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def save_tokenizer(folder: Path, tokenizer: Any, **special: str) -> None:
    """A tokenizer in place of the folder's own."""
    from transformers import PreTrainedTokenizerFast

    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / name).unlink(missing_ok=True)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=causal.CONTEXT, **special
    ).save_pretrained(folder)


def save_unigram_model(folder: Path) -> Path:
    """RoBERTa with Unigram pieces: positions count from the padding token's id, which is 4."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=400, unk_token="<unk>", special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(texts(), trainer)
    data = json.loads(tokenizer.to_str())
    # a free place before the padding token, as CamemBERT has some
    data["model"]["vocab"][3:3] = [["unused", -99.0], ["<pad>", 0.0]]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.add_special_tokens([*special, "<pad>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    size = tokenizer.get_vocab_size()
    save_model(
        folder, "roberta", "fill-mask", vocab_size=size + 6, pad_token_id=4, bos_token_id=0,
        eos_token_id=1, max_position_embeddings=72,
    )  # fmt: skip
    save_tokenizer(
        folder, tokenizer, pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        cls_token="<s>", sep_token="</s>", mask_token="<unk>",
    )  # fmt: skip
    return folder


def save_byte_fallback_model(folder: Path) -> Path:
    """A Llama shape with BPE over characters, and bytes for those that are no token."""
    from tokenizers import Tokenizer, models, normalizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600, limit_alphabet=60, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))],
    )  # fmt: skip
    tokenizer.train_from_iterator(texts(), trainer)
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = data["added_tokens"][:3]  # bytes are plain tokens, as in real ones
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    causal.save_model(folder, "llama", vocab_size=tokenizer.get_vocab_size())
    save_tokenizer(folder, tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    return folder
