"""Tiny encoder-decoders with seeded random weights, each with a tokenizer of whole words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import words

ARCHITECTURES = ("bart", "t5", "marian", "pegasus", "m2m_100")
PAD, UNK, EOS, BOS = 0, 1, 2, 3
#: decoder layers, heads and head size of all of them: (heads, size) differ from every other axis
LAYERS, HEADS, SIZE = 2, 2, 12


def vocabulary() -> dict[str, int]:
    return {word: i for i, word in enumerate(("<pad>", "<unk>", "</s>", "<s>", *words()))}


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocabulary(), unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", EOS)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        pad_token="<pad>",
        unk_token="<unk>",
        eos_token="</s>",
        bos_token="<s>",
    ).save_pretrained(folder)


def tiny_model(kind: str, seed: int = 0, **more: Any) -> Any:
    """A transformers model in evaluation mode; ``kind`` is a model type."""
    import torch
    import transformers as t

    width = HEADS * SIZE
    ids = {"pad_token_id": PAD, "eos_token_id": EOS, "bos_token_id": BOS}
    # M2M100 numbers positions by tokens that are no padding, so it cannot begin with one
    start = EOS if kind in ("m2m_100", "bart") else PAD
    shared = {"vocab_size": len(vocabulary()), "decoder_start_token_id": start, **ids}
    if kind == "t5":
        values = {
            "d_model": width, "d_kv": SIZE, "num_heads": HEADS, "d_ff": 40, "num_layers": 3,
            "num_decoder_layers": LAYERS, "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16,
        }  # fmt: skip
    else:
        values = {
            "d_model": width, "encoder_layers": 3, "decoder_layers": LAYERS,
            "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 72,
            "init_std": 0.25, "dropout": 0.0, "forced_eos_token_id": None,
        }  # fmt: skip
    config = t.AutoConfig.for_model(kind, **{**shared, **values, **more})
    torch.manual_seed(seed)
    model = t.AutoModelForSeq2SeqLM.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:  # biases and norms that are not all alike
                parameter.add_(torch.randn_like(parameter) * 0.1)
            elif name.endswith("relative_attention_bias.weight"):
                parameter.add_(torch.randn_like(parameter))
        if hasattr(model, "final_logits_bias"):  # a buffer that training fills, in Marian
            model.final_logits_bias.normal_()
    model.generation_config.forced_eos_token_id = None
    return model.eval()


def save_model(folder: Path, kind: str, seed: int = 0, **more: Any) -> Path:
    """A checkpoint folder."""
    folder.mkdir(parents=True)
    tiny_model(kind, seed, **more).save_pretrained(folder)
    save_tokenizer(folder)
    return folder
