"""The calibrator on transformers' own encoders, tiny and random: every matrix, no special cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgekit.recipe import Grid

pytestmark = pytest.mark.heavy
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from edgekit.converters.quantize.calibrate import calibrate  # noqa: E402
from edgekit.converters.quantize.methods import get_method  # noqa: E402
from edgekit.converters.quantize.texts import batches_of  # noqa: E402
from edgekit.converters.quantize.walk import find_course  # noqa: E402

GRID = Grid(4, "group", 16, codes="signed", scales="int8")

#: kind -> layers that add to the residual stream, or None where layers are used repeatedly
KINDS = {
    "bert": 4, "distilbert": 4, "roberta": 4, "electra": 4, "mpnet": 4, "deberta-v2": 4,
    "modernbert": 4, "nomic_bert": 4, "albert": None,
}  # fmt: skip


def encoder(kind: str) -> Any:
    """Two layers, or one used twice."""
    try:
        config = transformers.AutoConfig.for_model(
            kind, vocab_size=60, hidden_size=32, embedding_size=32, num_hidden_layers=2,
            num_attention_heads=4, intermediate_size=64, max_position_embeddings=64,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
            type_vocab_size=2, initializer_range=0.3,
        )  # fmt: skip
    except ValueError:
        pytest.skip(f"this transformers has no {kind}")
    if kind == "distilbert":
        config.dim, config.hidden_dim, config.n_layers, config.n_heads = 32, 64, 2, 4
    torch.manual_seed(1)
    return transformers.AutoModel.from_config(config).eval()


class FirstOutput(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def outputs(module: Any, batches: list[dict[str, np.ndarray]]) -> np.ndarray:
    with torch.inference_mode():
        parts = [module(**{n: torch.from_numpy(v) for n, v in b.items()}) for b in batches]
    return np.concatenate([p.reshape(-1, p.shape[-1]).numpy() for p in parts])


@pytest.mark.parametrize("kind", KINDS)
def test_every_matrix_is_found_and_calibration_pays(kind: str) -> None:
    module = FirstOutput(encoder(kind)).eval()
    rng = np.random.default_rng(2)
    rows = [rng.integers(5, 60, n) for n in rng.integers(4, 20, 120)]
    batches = batches_of([{"input_ids": r, "attention_mask": np.ones_like(r)} for r in rows])
    skip = ("embeddings", "pooler", "rel_embeddings", "relative_attention_bias")
    names = [
        n for n, p in module.named_parameters() if p.ndim == 2 and not any(s in n for s in skip)
    ]
    assert len(names) >= 6
    course = find_course(module, batches[0], set(names))
    if KINDS[kind] is None:
        assert len(course.repeated) >= 5
    else:
        assert sum(stage.adds for stage in course.stages) == KINDS[kind]
        assert course.repeated == () or kind == "deberta-v2"
    want = outputs(module, batches)
    lost = {}
    for method in ("two-sided", "rtn"):
        made = calibrate(module, batches, dict.fromkeys(names, GRID), get_method(method))
        assert made.uncalibrated == ()
        parameters = dict(module.named_parameters())
        before = {n: p.detach().clone() for n, p in parameters.items()}
        with torch.no_grad():
            for name, tensor in made.tensors.items():
                parameters[name].copy_(torch.from_numpy(tensor.dequantize()))
            for name, bias in made.biases.items():
                parameters[name].copy_(torch.from_numpy(bias))
        lost[method] = float(np.square(outputs(module, batches) - want).mean())
        with torch.no_grad():
            for name, value in before.items():
                parameters[name].copy_(value)
    assert lost["two-sided"] < 0.7 * lost["rtn"]
