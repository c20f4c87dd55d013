"""What a candidate may do instead: one file for each family of hypotheses, with every entry below its function.

A model answers questions. The first model is our own loss (`ours`). A hypothesis makes another model of it, by changing
the question, the answer, or both. For two hypotheses at once, the second changes the model of the first.

Defects of floating point are formulas. A tape works them out in the candidate's format and differentiates them. Like an
autodiff, it rounds, overflows and multiplies 0 by ∞.

To add a hypothesis, add an entry (`FAMILY.convention` or `FAMILY.defect`) to one of the files, below its function if it
needs one of its own. `make test` then asks for a candidate that does what the entry says: one row in tests/diagnosis.
"""

from reflosses.diagnosis.hypotheses import (
    defects,
    divisors,
    edges,
    factors,
    gradients,
    other_losses,
    overlaps,
    parameters,
    precision,
    predictions,
    targets,
    terms,
)
from reflosses.diagnosis.model import Hypothesis

FAMILIES = (  # in the order in which they are tried: of two that fit equally well, the first is told
    *(factors, gradients, divisors, targets, terms, parameters, other_losses, overlaps, predictions),
    *(edges, precision, defects),
)
HYPOTHESES: tuple[Hypothesis, ...] = tuple(hypothesis for module in FAMILIES for hypothesis in module.FAMILY)
