"""Whether a source's answers depend on padding: then no file could keep them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from edgekit.converters.sources.checkpoint import Checkpoint, ModuleSession

from edgekit.errors import UnsupportedError
from edgekit.runtime.tokenizer import Ids, pad_batch
from edgekit.tasks import get_task
from edgekit.tasks.base import judged_rows

#: share of the outputs' largest value; sums of other lengths differ by about 1e-6
LIMIT = 1e-4
#: tokens of padding, odd and even: models that pool neighbours differ in one of them
PADDING = (1, 6)


def check_padding(checkpoint: Checkpoint, rows: Sequence[Ids]) -> None:
    """Refuse a model that answers differently when its text is padded, in torch already.

    Args:
      checkpoint: the source.
      rows: cases; two short ones are looked at.
    Raises:
      UnsupportedError: with the difference that was measured.
    """
    contract, session = checkpoint.contract, ModuleSession(checkpoint, repaired=True)
    task = get_task(contract.task)
    room = contract.max_length - max(PADDING)
    short = [row for row in rows if 4 <= len(row["input_ids"]) <= room][:2]
    for row in short:
        length = len(row["input_ids"])
        wanted, *others = (
            judged_rows(
                task, session.run(pad_batch([row], contract, length + more)), [row], contract
            )
            for more in (0, *PADDING)
        )
        for name, value in wanted.items():
            largest = max(1.0, float(np.abs(value).max(initial=0)))
            apart = max(float(np.abs(other[name] - value).max(initial=0)) for other in others)
            if not apart <= LIMIT * largest:
                raise UnsupportedError(
                    f"the answers of this {contract.architecture} model depend on padding in torch "
                    f"already: {name} moves by {apart:.2g} when padding is added, so neither "
                    "batches nor buckets could keep them.",
                    "use an architecture that masks its padding, bert or modernbert for example.",
                )
