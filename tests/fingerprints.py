"""Fingerprints of the inputs that a seed stands for: one for each kind of loss.

A seed in a report, or in a test, must find the same inputs on every machine and in the next version. No other test can
see a number of a pool of hard inputs change. Whoever changes the inputs on purpose changes the fingerprints.
"""

import hashlib
from typing import Any

import numpy as np

from reflosses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Cauchy,
    CrossEntropy,
    Dice,
    Focal,
    FocalWithLogits,
    GeneralizedDice,
    Hinge,
    Huber,
    NegativeLogLikelihood,
    SparseCategoricalCrossEntropy,
    WeightedCrossEntropy,
)
from reflosses.catalogue import losses
from reflosses.comparison.battery import blocks, calls
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.worst_inputs import drawn_loss, search
from reflosses.evaluation.stack import flatten, per_loss
from reflosses.truth.sampling import hard, moderate

LOSSES = {
    "residuals": Huber(delta=0.7, reduction="mean"),
    "vectors": Cauchy(delta=0.75, information=((4.0, 1.5), (1.5, 0.75)), reduction="none"),
    "margins": Hinge(reduction="sum"),
    "probabilities": BinaryCrossEntropy(clamp=0.03, reduction="none"),
    "focal": Focal(gamma=0.375, clamp=0.0625, reduction="none"),
    "focal logits": FocalWithLogits(gamma=4.5, clamp=0.0625, reduction="none"),
    "logits": BinaryCrossEntropyWithLogits(reduction="none"),
    "logit rows": CrossEntropy(ignore_index=-100, reduction="mean"),
    "weighted rows": CrossEntropy(class_weight=(0.25, 7.0, 0.5), reduction="none"),
    "log rows": NegativeLogLikelihood(reduction="none"),
    "probability rows": SparseCategoricalCrossEntropy(reduction="none"),
    "overlaps": Dice(axis=-1, reduction="none"),
    "classes of overlaps": GeneralizedDice(axis=0, reduction="none"),
    "coupled": WeightedCrossEntropy(reduction="none"),
}

FINGERPRINTS = {  # of the hard and the moderate inputs, and of the battery
    "residuals": ("cdbd97f20b706cf5", "88d7dde6c9756d18"),
    "vectors": ("8c2a0b9d7c545668", "bd311e4f7ea37f39"),
    "margins": ("4fc430fe5b31019c", "17d9133c09c14fb1"),
    "probabilities": ("f05cbea895fa29c7", "e487975f35c398c6"),
    "focal": ("29723b9d25b74040", "eb3f1fc54bd392af"),
    "focal logits": ("6bf2fa1c52ad6043", "5e7edac2f6c91924"),
    "logits": ("ef812fd13a2704ca", "c45d16df869b3d66"),
    "logit rows": ("ea0299b691e61868", "abfd8450d6a61ee0"),
    "weighted rows": ("e5f6cea089894afc", "bd2cbd913ccf8856"),
    "log rows": ("5c32a772521a5874", "8c5a3c12e31533af"),
    "probability rows": ("64059a33a3791d18", "cbabf892658c6a74"),
    "overlaps": ("315c00a3d53a6a3a", "2a888527d6a356d5"),
    "classes of overlaps": ("3a9f67034a84cf88", "9c7051d7937ab861"),
    "coupled": ("3b07486daa9e5efa", "0e3991ae15113e84"),
}

SEARCHES = {  # of the points of a search for the worst input
    "BinaryCrossEntropy": "d4d87743b7614cdd",
    "BinaryCrossEntropyWithLogits": "4da66b378b6af35b",
    "Cauchy": "971b2ef073f56086",
    "CrossEntropy": "66df2ff57a183986",
    "Dice": "b7883a0b5d81413a",
    "Focal": "46a06f7801eae1a4",
    "FocalWithLogits": "b64023acdacbc61a",
    "GeneralizedDice": "da396b3aa9d5c26b",
    "Hinge": "23213d86b41b9c30",
    "Huber": "5483e81d46dcd08e",
    "IoU": "b7883a0b5d81413a",
    "MeanAbsoluteError": "6f35bc3cf46e9aec",
    "MeanSquaredError": "c4aad88a4dc3749f",
    "NegativeLogLikelihood": "270274654a1ee030",
    "SparseCategoricalCrossEntropy": "60e9ac4ecacb664e",
    "WeightedCrossEntropy": "f23ed9ab1ce919de",
}


def digest(rows: list[Any]) -> str:
    state = hashlib.sha256()
    for row in rows:
        for part in row:
            a = np.asarray("" if part is None else part)
            if a.dtype.kind == "U":
                state.update(str(a).encode())
            else:
                plain = np.where(np.isnan(a.astype("<f8")), np.float64(np.nan), a)
                state.update(f"{a.shape}".encode() + plain.astype("<f8").tobytes())
    return state.hexdigest()[:16]


def of_sampling(kind: str) -> str:
    """Of the hard and the moderate inputs of two seeds."""
    loss = LOSSES[kind]
    return digest([p for draw in (hard, moderate) for seed in (1, 2) for p in draw(loss, seed, 600)])


def of_battery(kind: str) -> str:
    """Of the blocks and the calls of the battery, in a wide and in two narrow formats."""
    loss, rows = LOSSES[kind], []
    for form in (FORMATS[name] for name in ("float64", "float32", "bfloat16")):
        rows += [(b.regime, b.name, b.y, b.yhat) for b in blocks(loss, form, 5)]
        whole = calls(loss, form, 5, weights=True, upstream=True)
        rows += [(c.regime, c.name, c.y, c.yhat, c.weight, c.upstream, c.times, c.refuse, c.shape) for c in whole]
    return digest(rows)


def of_search(name: str) -> str:
    """Of the points that a search for the worst input measures, if errors are made up of the points themselves.

    Numbers are rounded to float32 before: an ulp of `pow`, which draws parameters, is not seen.
    """
    cls, state = losses()[name], hashlib.sha256()

    def rounded(a: Any) -> Any:
        return np.asarray(a, np.float64).astype(np.float32) + np.float32(0)

    def errors(loss: Any, problem: Any) -> Any:
        y, yhat = (per_loss(loss, rounded(a)) if np.ndim(a) == np.ndim(problem.yhat) else a for a in problem)
        state.update(repr(rounded(yhat).shape).encode() + rounded(yhat).tobytes() + rounded(y).tobytes())
        state.update(b"".join(rounded(v).tobytes() for v in vars(loss).values() if isinstance(v, float | np.ndarray)))
        marks = np.frexp(np.abs(flatten(yhat)) + 1.0)[0].astype(np.float32).sum(axis=1, dtype=np.float64)
        return [marks * (k + 1) * bound for k, bound in enumerate(loss.bounds)]

    def proved(loss: Any, problem: Any) -> Any:
        return [float(e.max()) for e in errors(loss, problem)]

    found = search(lambda rng: drawn_loss(cls, rng), errors, proved, seed=3, points=40_000)
    state.update(repr((found.points, found.refuted, sorted(found.worst))).encode())
    return state.hexdigest()[:16]


def found() -> dict[str, tuple[str, str]]:
    """What this machine finds in the place of FINGERPRINTS."""
    return {kind: (of_sampling(kind), of_battery(kind)) for kind in LOSSES}
