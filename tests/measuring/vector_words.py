"""What a person reads in the vectors: what each test finds, where it was reported, what each parameter means."""

from __future__ import annotations

# The block of the battery → what its tests find. A block without a line has that of its regime.
FINDS = {
    "a batch of 3": "a batch: an axis mixed up, or rows that change each other",
    "a batch of 7": "a batch whose length is no power of two: another divisor",
    "a batch of hard masks": "masks pooled over the batch",
    "weights": "weights left out, in the value or in the gradient; a mean over the count, or over the weights",
    "some weights 0": "a loss of weight 0 that still counts, or is left out of N",
    "weight 0 on what is not a number": "0 · NaN: a loss of weight 0 must have no effect",
    "all weights 0": "0/0: a weighted mean of nothing is NaN, and its gradient is 0",
    "an empty batch": "a mean of nothing is NaN, a sum of nothing is 0",
    "some ignored": "ignored losses that count in N, or keep a gradient",
    "all ignored": "a mean of nothing is NaN, and its gradient is 0",
    "all but one ignored": "ignored losses that count in N",
    "ignored predictions that are not a number": "0 · NaN: an ignored loss must have no effect",
    "ignored predictions that are infinite": "0 · ∞: an ignored loss must have no effect",
    "a mean of huge losses": "a sum that overflows before it is divided",
    "a mean with one huge residual": "a difference, or a sum, that overflows before it is divided",
    "soft labels": "a formula that holds for labels 0 and 1 only",
    "soft masks": "a formula that holds for hard masks only",
    "soft targets": "rows of class probabilities that are no one-hot rows",
    "margin on the right side": "log(1 + exp(−m)), σ(z) − y or p − onehot, which become 0 where the result is normal",
    "one-hot, margin on the right side": "p − onehot, which becomes 0 where the slope is a normal number",
    "margin, others apart": "a gradient of the true class that is 1 − p, rounded",
    "margin with a common offset": "exp of logits whose largest is not taken away first",
    "margin on the wrong side": "exp that overflows, or a logarithm of a clipped probability",
    "one wrong class ahead": "a logarithm of a probability that is clipped, or 0",
    "soft label, saturated": "σ(z) − y where nothing cancels but the label",
    "soft targets, saturated": "0 · ∞ where a target's probability is 0",
    "logit 0 and its neighbours": "a branch at 0, and subnormal logits",
    "infinite logits": "∞ − ∞ or 0 · ∞ at a logit whose limit is known",
    "a masked class (logit −∞)": "0 · −∞ at a class that is masked",
    "a masked class of target 0": "0 · −∞ at a class that is masked, with a target row",
    "all other classes masked": "0 · −∞ at classes that are masked",
    "target logit +∞": "∞ − ∞ at a class that takes all the probability",
    "target logit −∞": "a true class that is impossible: ∞, no NaN",
    "huge common offset": "exp of logits whose largest is not taken away first",
    "logits too far apart for their difference": "a difference of logits that overflows",
    "right, next to 1": "log(p) and 1 − p where a guard such as 1e-7 is larger than the loss",
    "right, next to 0": "log(1 − p), which loses its digits; log1p(−p) keeps them",
    "wrong, next to 0": "a guard, a clip or an epsilon in the logarithm, and a gradient that it kills",
    "wrong, next to 1": "a guard, a clip or an epsilon in the logarithm, and a gradient that it kills",
    "probability 0, ½ and 1": "0 · log 0, 0/0 and guards at a probability of 0 or 1",
    "where a clamp begins": "the one-sided derivatives at a clamp",
    "powers of bases near 0 and 1": "a power of 0, and its derivative",
    "small residuals": "log(1 + u) for log1p(u), a square that is 0, an epsilon added to the residual",
    "small differences": "digits lost in y − yhat that is not formed first",
    "residual 0 and the bend, and their neighbours": "the slope at 0, and the branch at delta",
    "y = yhat": "0/0 at a residual of 0",
    "huge residuals": "a square that overflows where the loss is a normal number",
    "huge, on opposite sides": "yhat − y that overflows",
    "huge on both sides": "squares that overflow though the difference does not",
    "infinite predictions": "∞ − ∞, ∞/∞: the limits are ∞ and its slope",
    "right with a margin": "a hinge that is not 0 beyond its margin",
    "margin 0 and 1 and their neighbours": "the slope at margin 1, and a branch beside it",
    "nearly perfect": "1 less the score, which cancels",
    "faint predictions": "products that underflow, and a smoothing term that nobody asked for",
    "perfect and opposite": "a loss that is not exactly 0 or 1 there",
    "empty mask, empty prediction": "0/0: nothing against nothing is perfect agreement",
    "empty mask, some prediction": "a smoothing term that nobody asked for",
    "a class absent": "the weight 1/0 of a class that is absent",
    "a negative weight": "weights are not checked",
    "shapes (n, 1) and (n,)": "arrays that broadcast to (n, n) in silence",
}
OF_REGIME = {
    "moderate": "another formula: a factor, a sign, a parameter left out, another divisor",
    "A": "digits lost on the right side",
    "B": "a cap on the wrong side",
    "C": "powers",
    "D": "exact points and their neighbours",
    "E": "digits lost at small residuals",
    "F": "an overflow",
    "G": "NaN where the result is known",
    "H": "what is empty, ignored or absent",
    "I": "batches, weights and soft labels",
    "J": "the range of the format",
    "K": "input outside the domain is answered with a number",
}
HARD_LABELS = "all labels "  # the start of a block's name
FINDS_HARD_LABELS = "labels of one kind alone: a function that guesses which labels there are"
CLIP = "a probability that is clipped above the format's eps: the value is off by more than 0.7 nats"

HOMES = {
    "pytorch": "pytorch/pytorch",
    "jax": "jax-ml/jax",
    "optax": "google-deepmind/optax",
    "keras": "keras-team/keras",
    "keras-core": "keras-team/keras-core",
    "tensorflow": "tensorflow/tensorflow",
    "sklearn": "scikit-learn/scikit-learn",
    "scipy": "scipy/scipy",
    "onnx": "onnx/onnx",
}

# (loss, block) → public reports of what its tests find; tests/installed/known_defects.py says which function it is.
REPORTS = {
    ("BinaryCrossEntropyWithLogits", "margin on the right side"): ("pytorch#195677", "pytorch#195529"),
    ("BinaryCrossEntropyWithLogits", "infinite logits"): ("pytorch#135359", "optax#431"),
    ("BinaryCrossEntropyWithLogits", "target 1.25"): ("pytorch#110865", "pytorch#123339"),
    ("BinaryCrossEntropy", "probability 0, ½ and 1"): (
        *("pytorch#103316", "pytorch#163975", "pytorch#171327", "tensorflow#62204", "keras#9664"),
        *("sklearn#17399", "sklearn#24365"),
    ),
    ("BinaryCrossEntropy", "right, next to 1"): ("keras#15249",),
    ("BinaryCrossEntropy", "wrong, next to 0"): ("sklearn#28851", "sklearn#24315"),
    ("BinaryCrossEntropy", "target 1.25"): ("keras#23504", "keras#4744"),
    ("FocalWithLogits", "margin on the right side"): ("tensorflow#70326",),
    ("CrossEntropy", "margin on the right side"): ("pytorch#195678", "scipy#19521"),
    ("CrossEntropy", "one-hot, margin on the right side"): ("jax#40384",),
    ("CrossEntropy", "one wrong class ahead"): ("onnx#8423",),
    ("CrossEntropy", "target logit +∞"): ("pytorch#11551", "jax#21495"),
    ("CrossEntropy", "a masked class of target 0"): ("optax#1762", "optax#896"),
    ("CrossEntropy", "a batch of 3"): ("keras#21097",),
    ("CrossEntropy", "one-hot targets"): ("keras#23451", "tensorflow#127249"),
    ("CrossEntropy", "target 1.25"): ("pytorch#152437", "pytorch#134771"),
    ("CrossEntropy", "target -1"): ("optax#1185",),
    ("NegativeLogLikelihood", "some ignored"): ("onnx#8433", "onnx#8453"),
    ("SparseCategoricalCrossEntropy", "wrong, next to 0"): ("keras#17634",),
    ("SparseCategoricalCrossEntropy", "prediction 1.25"): ("keras#2450",),
    ("SparseCategoricalCrossEntropy", "a negative weight"): ("sklearn#24515",),
    ("MeanSquaredError", "weight 0 on what is not a number"): ("pytorch#121416",),
    ("MeanSquaredError", "a negative weight"): ("pytorch#16045",),
    ("MeanSquaredError", "an empty batch"): ("keras#6825",),
    ("MeanSquaredError", "small residuals"): ("keras#15791",),
    ("MeanAbsoluteError", "huge residuals"): ("keras-core#922",),
    ("Huber", "a negative weight"): ("keras#23573",),
    ("Hinge", "target 2"): ("keras#15665",),
    ("Hinge", "all labels 1"): ("sklearn#13674",),
    ("Hinge", "a batch of 3"): ("sklearn#13674",),  # all its labels are 1
    ("Cauchy", "huge residuals"): ("scipy#5044",),
    ("Dice", "empty mask, empty prediction"): ("scipy#21135", "sklearn#26864"),
    ("Dice", "target 1.25"): ("scipy#17703",),
    ("IoU", "empty mask, empty prediction"): ("sklearn#17826",),
}

PARAMETERS = {
    "delta": "where the loss bends, in the unit of y",
    "information": "the symmetric matrix Ω of eᵀ Ω e; null: one loss an element, with s = e²",
    "clamp": "probabilities are clipped to [clamp, 1 − clamp] in the logarithm; null: no clip",
    "pos_weight": "the factor of the term of y; null: 1",
    "gamma": "the exponent of 1 − p_t",
    "alpha": "the weight of y = 1, and 1 − alpha that of y = 0; null: no weights",
    "axis": "the axis of the classes, or the axes pooled into one overlap (null: all)",
    "class_weight": "one factor a class, that of the target; null: 1",
    "ignore_index": "the class index of losses that do not count; null: none",
    "label_smoothing": "the share of the target that is spread evenly over all classes",
    "smooth_nr": "added to the numerator",
    "smooth_dr": "added to the denominator",
    "per_sample": "whether each sample of the first axis is an overlap of its own",
    "weight": 'the factor of the foreground: a number, or "sudre" for (N − Σ yhat) / Σ yhat',
    "weight_grad": '"stop": the gradient holds that factor constant; "full": it differentiates it too',
}


def url(thread: str) -> str:
    """The address of a report such as "pytorch#195677"."""
    home, _, number = thread.partition("#")
    return f"https://github.com/{HOMES[home]}/issues/{number}"


def comment(regime: str, name: str, clip: bool) -> str:
    """What a test finds, in words."""
    if clip:
        return CLIP
    if name.startswith(HARD_LABELS):
        return FINDS_HARD_LABELS
    return FINDS.get(name, OF_REGIME[regime])
