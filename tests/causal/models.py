"""Tiny causal language models with seeded random weights, one per architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

#: more tokens than gemma3's and mistral's windows
CONTEXT, WINDOW = 64, 12
VOCABULARY = 320

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GPT2 = {
    "vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": CONTEXT,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip

#: model type -> (config class, model class, config values)
CONFIGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", {**_COMMON, "tie_word_embeddings": True}),
    "mistral": ("MistralConfig", "MistralForCausalLM", {**_COMMON, "sliding_window": WINDOW}),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", _COMMON),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {**_COMMON, "head_dim": 16}),
    "gemma3_text": (
        "Gemma3TextConfig",
        "Gemma3ForCausalLM",
        {
            **_COMMON,
            "num_hidden_layers": 3,
            "head_dim": 16,
            "query_pre_attn_scalar": 16,
            "sliding_window": WINDOW,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        },
    ),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", {**_COMMON, "partial_rotary_factor": 1.0}),
    "smollm3": (
        "SmolLM3Config",
        "SmolLM3ForCausalLM",
        {**_COMMON, "no_rope_layers": [1, 0], "use_sliding_window": False},
    ),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", _GPT2),
    "opt": (
        "OPTConfig",
        "OPTForCausalLM",
        {
            "vocab_size": VOCABULARY, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": CONTEXT,
            "word_embed_proj_dim": 32, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        },
    ),
    "gpt_neox": (
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        {k: v for k, v in _COMMON.items() if k != "num_key_value_heads"},
    ),
    "bloom": (
        "BloomConfig",
        "BloomForCausalLM",
        {
            "vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
        },
    ),
}  # fmt: skip


def save_tokenizer(folder: Path, context: int = CONTEXT) -> None:
    """A byte-level BPE trained on the built-in cases, with <s> in front."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from edgekit.tasks.builtin_cases import builtin_texts

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([e.text for e in builtin_texts(context, False)], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=context, pad_token="<pad>", bos_token="<s>",
        eos_token="</s>",
    ).save_pretrained(folder)  # fmt: skip


def save_model(folder: Path, kind: str, **more: Any) -> Path:
    """A checkpoint whose logits depend on every token, position and layer.

    Args:
      folder: to be made.
      kind: a key of ``CONFIGS``.
      more: config values in place of the usual ones.
    """
    import torch
    import transformers

    config_class, model_class, values = CONFIGS[kind]
    torch.manual_seed(5)
    config = getattr(transformers, config_class)(**{**values, **more})
    model = getattr(transformers, model_class)(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # initial weights of 0.02 would leave attention flat and biases at nought
            parameter.add_(torch.randn(parameter.shape) * (0.2 if parameter.ndim > 1 else 0.1))
    model.save_pretrained(folder)
    save_tokenizer(folder)
    return folder
