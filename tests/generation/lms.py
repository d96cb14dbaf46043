"""Language models for tests: one by hand, and transformers' own behind the seam of a state."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.contract import Contract, TensorSpec
from edgekit.errors import CacheFullError, UsageError
from edgekit.generation.settings import Generation, Sampling
from edgekit.generation.state import Encoded, Floats, Ids


class State:
    """A cache that keeps tokens and their mask, and reads all of them again at every step."""

    def __init__(self, session: Any, rows: int, encoded: Encoded | None) -> None:
        self.rows, self.length = rows, 0
        self._session, self._encoded = session, encoded
        self.ids = np.zeros((rows, 0), np.int64)
        self.mask = np.zeros((rows, 0), np.int64)

    @property
    def room(self) -> int:
        return int(self._session.context - self.length)

    def feed(self, ids: Ids, mask: Ids | None = None, every: bool = False) -> Floats:
        if ids.shape[1] > self.room:
            raise CacheFullError("full.")
        assert ids.shape[0] == self.rows
        new = np.ones_like(ids) if mask is None else mask
        self.ids = np.concatenate([self.ids, ids], axis=1)
        self.mask = np.concatenate([self.mask, new], axis=1)
        self.length += ids.shape[1]
        logits: Floats = self._session.logits(self.ids, self.mask, self._encoded)
        return logits[:, -ids.shape[1] :] if every else logits[:, -1:]

    def reorder(self, rows: Ids) -> None:
        self.ids, self.mask, self.rows = self.ids[rows], self.mask[rows], len(rows)
        if self._encoded is not None:
            self._encoded = {name: value[rows] for name, value in self._encoded.items()}


class HandMade:
    """What comes next depends on the last token and on how many are read: a table, no weights.

    Args:
      table: float32 [vocabulary, vocabulary], logits behind each token.
      context: positions of its cache.
    """

    buckets: tuple[int, ...] = ()

    def __init__(self, table: npt.NDArray[np.float32], context: int = 32) -> None:
        self.table, self.context = table, context
        self.fed: list[Any] = []

    def logits(self, ids: Ids, mask: Ids, encoded: Encoded | None) -> Floats:
        self.fed.append((ids, mask))
        seen = np.cumsum(mask, axis=1)[..., None]
        shift = np.sin(seen * np.arange(len(self.table))).astype(np.float32)
        return self.table[ids] + shift

    def run(self, inputs: Any, entry: str = "main") -> Any:
        raise NotImplementedError

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        raise UsageError("no encoder.", "")

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> State:
        return State(self, rows, encoded)


class Torch:
    """A transformers model, without its cache."""

    buckets: tuple[int, ...] = ()

    def __init__(self, model: Any, context: int) -> None:
        self.model, self.context = model, context

    def logits(self, ids: Ids, mask: Ids, encoded: Encoded | None) -> Floats:
        import torch

        with torch.inference_mode():
            if encoded is None:
                places = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
                out = self.model(
                    input_ids=torch.from_numpy(ids),
                    attention_mask=torch.from_numpy(mask),
                    position_ids=torch.from_numpy(places),
                    use_cache=False,
                )
            else:
                out = self.model(
                    encoder_outputs=(torch.from_numpy(encoded["states"]),),
                    attention_mask=torch.from_numpy(encoded["mask"]),
                    decoder_input_ids=torch.from_numpy(ids),
                    use_cache=False,
                )
        logits: Floats = out.logits.numpy()
        return logits

    def run(self, inputs: Any, entry: str = "main") -> Any:
        raise NotImplementedError

    def encode(self, ids: Ids, mask: Ids) -> Encoded:
        import torch

        with torch.inference_mode():
            states = self.model.get_encoder()(torch.from_numpy(ids), torch.from_numpy(mask))[0]
        return {"states": states.numpy(), "mask": mask}

    def state(self, rows: int = 1, encoded: Encoded | None = None) -> State:
        return State(self, rows, encoded)


def llama(vocabulary: int = 40, seed: int = 0, **more: Any) -> Any:
    """A tiny causal model whose logits are far apart."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
        initializer_range=0.5, bos_token_id=1, eos_token_id=2, pad_token_id=0, **more,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def bart(vocabulary: int = 40, seed: int = 0) -> Any:
    """A tiny encoder-decoder."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=vocabulary, d_model=16, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2,
        max_position_embeddings=64, init_std=0.6, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=2, forced_eos_token_id=None, dropout=0.0,
    )  # fmt: skip
    return BartForConditionalGeneration(config).eval()


def contract(
    vocabulary: int,
    context: int = 32,
    start_id: int | None = None,
    sampling: Sampling | None = None,
    chat: bool = False,
    eos_ids: tuple[int, ...] = (2,),
) -> Contract:
    """Of such a model."""
    names = ("input_ids", "attention_mask")
    return Contract(
        task="text-generation",
        architecture="llama",
        inputs=tuple(TensorSpec(n, "int64", ("batch", "length")) for n in names),
        outputs=(TensorSpec("logits", "float32", ("batch", "length", vocabulary)),),
        max_length=context,
        generation=Generation(
            cache=((1, 8), (1, 8)),
            vocabulary=vocabulary,
            context=context,
            eos_ids=eos_ids,
            bos_id=1,
            start_id=start_id,
            sampling=sampling or Sampling(),
            chat=chat,
        ),
    )


def letters(chat_template: str = "", contract_: Contract | None = None) -> Any:
    """A tokenizer of one token per letter: <pad> <s> </s> <unk>, then a to z, space, full stop."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors

    from edgekit.runtime.tokenizer import TextTokenizer

    names = ["<pad>", "<s>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz .<>|"]
    tokenizer = Tokenizer(
        models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(names[:4])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return TextTokenizer(tokenizer, contract_ or contract(len(names)), chat_template)


#: ids of ``letters``
LETTERS = 4 + 26 + 5
