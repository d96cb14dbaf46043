"""A random-weight language model of the Llama shape, 114 million parameters, always the same.

usage: python benchmarks/generation_model.py        (writes build/bench/llama-114m)

Hidden 768, 12 layers, 12 heads of 64, 4 of them keys and values, SwiGLU of 2560, 32,000 tokens,
tied input and output table: 114.3 M parameters, 457 MB in float32. Speed and memory do not depend
on what the weights are, so they come from a seed. The tokenizer is a byte-level BPE trained on this
repository's pages; it knows fewer tokens than the model has rows.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from common import ROOT, WORK

FOLDER = WORK / "llama-114m"
HIDDEN, LAYERS, HEADS, KV_HEADS, INNER, VOCABULARY, CONTEXT = 768, 12, 12, 4, 2560, 32000, 2048
HEAD = HIDDEN // HEADS
SEED = 11

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": CONTEXT,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "rope_theta": 10000.0,  # what readers older than transformers 5 look for
    "hidden_act": "silu",
    "attention_bias": False,
    "mlp_bias": False,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "dtype": "float32",
    "torch_dtype": "float32",
}


def shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of every parameter, in the order in which they are drawn."""
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        narrow = KV_HEADS * HEAD
        found |= {
            start + "input_layernorm.weight": (HIDDEN,),
            start + "self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            start + "self_attn.k_proj.weight": (narrow, HIDDEN),
            start + "self_attn.v_proj.weight": (narrow, HIDDEN),
            start + "self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            start + "post_attention_layernorm.weight": (HIDDEN,),
            start + "mlp.gate_proj.weight": (INNER, HIDDEN),
            start + "mlp.up_proj.weight": (INNER, HIDDEN),
            start + "mlp.down_proj.weight": (HIDDEN, INNER),
        }
    return found | {"model.norm.weight": (HIDDEN,)}


def parameter_count() -> int:
    """Parameters, the tied table once."""
    return sum(int(np.prod(shape)) for shape in shapes().values())


def float_bytes() -> int:
    """Bytes of the checkpoint's float32 weights."""
    return 4 * parameter_count()


def make(folder: Path = FOLDER) -> Path:
    """Write the checkpoint unless it is there.

    Returns:
      its folder.
    """
    if (folder / "model.safetensors").is_file():
        return folder
    from safetensors.numpy import save_file

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    weights = {}
    for name, shape in shapes().items():
        if len(shape) == 1:
            weights[name] = (1 + 0.05 * rng.standard_normal(shape)).astype(np.float32)
        else:
            weights[name] = rng.standard_normal(shape, np.float32) * np.float32(shape[-1] ** -0.5)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1), encoding="utf-8")
    plain = {"bos_token_id": 0, "eos_token_id": 1, "do_sample": False}
    (folder / "generation_config.json").write_text(json.dumps(plain), encoding="utf-8")
    _tokenizer(folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    pages = [p.read_text(encoding="utf-8") for p in sorted((ROOT / "docs").rglob("*.md"))]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(pages, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
        "model_max_length": CONTEXT, "clean_up_tokenization_spaces": False,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


if __name__ == "__main__":
    print(f"{make()}: {parameter_count():,} parameters, {float_bytes() / 1e6:.0f} MB in float32")
