"""Hard inputs by regime: each block of inputs has the name of one way in which formulas break.

`blocks` yields losses that stand alone. `calls` yields whole calls: reductions, weights, ignored positions, empty
batches, inputs that must be refused. Both depend on the loss, the candidate's format and the seed alone: no function
of a CPU's vector unit makes their numbers. All are numbers of the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from reflosses.comparison.battery.block import ORDINARY as ORDINARY
from reflosses.comparison.battery.block import REGIMES as REGIMES
from reflosses.comparison.battery.block import TARGET_KINDS as TARGET_KINDS
from reflosses.comparison.battery.block import Inputs as Inputs
from reflosses.comparison.battery.block import LossBlock as LossBlock
from reflosses.comparison.battery.block import WholeCall as WholeCall
from reflosses.comparison.battery.block import family as family
from reflosses.comparison.battery.block import inside, moderate_blocks
from reflosses.comparison.battery.block import normal as normal
from reflosses.comparison.battery.calls import calls as calls
from reflosses.comparison.battery.elements import logit_blocks, margin_blocks, probability_blocks, residual_blocks
from reflosses.comparison.battery.overlaps import overlap_blocks, vector_blocks
from reflosses.comparison.battery.rows import log_row_blocks, logit_row_blocks, probability_row_blocks
from reflosses.comparison.formats import Format
from reflosses.evaluation.loss import Loss

_FAMILIES: dict[str, Callable[[Loss, Format, np.random.Generator], Iterator[LossBlock]]] = {
    "logits": logit_blocks,
    "probabilities": probability_blocks,
    "residuals": residual_blocks,
    "margins": margin_blocks,
    "logit rows": logit_row_blocks,
    "log rows": log_row_blocks,
    "probability rows": probability_row_blocks,
    "overlaps": overlap_blocks,
    "vectors": vector_blocks,
}


def blocks(loss: Loss, form: Format, seed: int) -> Iterator[LossBlock]:
    """Every loss that is asked alone, regime by regime."""
    rng = np.random.default_rng(seed)
    yield from moderate_blocks(loss, form, seed)
    for block in _FAMILIES[family(loss)](loss, form, rng):
        y, yhat = form.round(block.y), form.round(block.yhat)
        keep = inside(loss, y, yhat)
        if keep.any():
            yield LossBlock(block.regime, block.name, y[keep], yhat[keep])
