"""A Llama-shaped model as .gguf files, by the ``gguf`` package's own writer.

usage: python benchmarks/peers_gguf.py CHECKPOINT OUT [TYPE...]     (in the peers' environment)

Writes OUT/F32.gguf and OUT/Q8_0.gguf, or the types that are named. A matrix whose rows are no
whole blocks of 32 stays float16, as llama.cpp's own converter leaves it. The tied table is stored
once, in 8 bits beside quantized matrices. llama.cpp rotates neighbouring pairs of a head where
checkpoints rotate halves, so rows of q and k are put in its order.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}  # fmt: skip

#: weights that share a scale
BLOCK = 32


def pairs_together(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows [heads * size, in]: pair i of a head, rows i and i + size / 2, side by side."""
    rows, cols = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, cols)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, cols))


def tensors(config: dict[str, Any], weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The checkpoint's parameters under llama.cpp's names and in its order of rows."""
    found = {
        "token_embd.weight": weights["model.embed_tokens.weight"],
        "output_norm.weight": weights["model.norm.weight"],
    }
    for layer in range(config["num_hidden_layers"]):
        for name, short in NAMES.items():
            value = weights[f"model.layers.{layer}.{name}.weight"]
            if short == "attn_q":
                value = pairs_together(value, config["num_attention_heads"])
            if short == "attn_k":
                value = pairs_together(value, config["num_key_value_heads"])
            found[f"blk.{layer}.{short}.weight"] = value
    return found


def write(folder: Path, kind: str, path: Path) -> None:
    """One file; ``kind`` is "F32" or one of llama.cpp's quantized types."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(
        config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    )
    rope = config.get("rope_parameters") or config
    writer.add_rope_freq_base(rope["rope_theta"])
    # ids alone are fed: a list of as many names is all that the reader wants
    count = config["vocab_size"]
    writer.add_vocab_size(count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{i}>" for i in range(count)])
    writer.add_token_scores([0.0] * count)
    writer.add_token_types([3, 3, *([1] * (count - 2))])
    for name, value in tensors(config, load_file(folder / "model.safetensors")).items():
        if kind == "F32" or value.ndim == 1:
            writer.add_tensor(name, value)
        elif value.shape[1] % BLOCK:
            writer.add_tensor(name, value.astype(np.float16))
        else:
            # a table that is the output matrix too keeps 8 bits beside narrower matrices
            chosen = "Q8_0" if name == "token_embd.weight" else kind
            code = gguf.GGMLQuantizationType[chosen]
            writer.add_tensor(name, gguf.quants.quantize(value, code), raw_dtype=code)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for kind in sys.argv[3:] or ("F32", "Q8_0"):
        write(Path(sys.argv[1]), kind, out / f"{kind}.gguf")
