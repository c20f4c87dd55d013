"""For every defect of floating point, a candidate that has it, with the gradient that an autodiff gives."""

import numpy as np
from numpy import abs as size
from numpy import exp, log, log1p, sign, sqrt, where
from scipy.special import expit, log_expit

from reflosses import Cauchy, CrossEntropy, Focal, FocalWithLogits, Huber, MeanAbsoluteError, MeanSquaredError
from reflosses.comparison.expected import Scaled

from diagnosis.as_written import (
    BCE,
    CAUCHY,
    DICE,
    ENTROPY,
    HUBER,
    LOGITS,
    MEAN,
    MSE,
    NONE,
    Commits,
    bce,
    cast,
    cauchy,
    cauchy_of,
    cross_entropy,
    huber,
    huber_of,
    in_dtype,
    logits,
    mean,
    overlap,
    results_in,
    rows_of,
    softmax,
    squared,
)


def log_of_softmax(y, z):
    p = softmax(z)
    row = rows_of(y, z)
    n = np.arange(len(z))
    if y.ndim == 1:
        nats, slope = -log(p[n, y]), np.zeros(p.shape)
        slope[n, y] = -1 / p[n, y]
    else:
        nats, slope = -(row * log(p)).sum(axis=-1), -row / p
    return nats, p * (slope - (slope * p).sum(axis=-1, keepdims=True))


def log_of_bare_softmax(y, z):
    e = exp(z)
    s = e.sum(axis=-1, keepdims=True)
    p = e / s
    row = rows_of(y, z)
    if y.ndim == 1:
        nats = -log(p[np.arange(len(z)), y])
        slope = np.zeros(p.shape)
        slope[np.arange(len(z)), y] = -1 / p[np.arange(len(z)), y]
    else:
        nats, slope = -(row * log(p)).sum(axis=-1), -row / p
    return nats, (slope / s - (slope * p / s).sum(axis=-1, keepdims=True)) * e


def log_sum(shift):
    def candidate(y, z):
        d = z - (z.max(axis=-1, keepdims=True) if shift else 0)
        e = exp(d)
        s = e.sum(axis=-1, keepdims=True)
        row = rows_of(y, z)
        if y.ndim == 1:
            return log(s[:, 0]) - d[np.arange(len(z)), y], e / s - row
        return (row * (log(s) - d)).sum(axis=-1), e / s * row.sum(axis=-1, keepdims=True) - row

    return candidate


def overflowing(small):
    """y·log(1 + e^−z) + (1 − y)·log(1 + e^z), hard labels choosing."""

    def candidate(y, z):
        a, b = exp(-z), exp(z)
        value = where(y == 0, 0, y * small(a)) + where(y == 1, 0, (1 - y) * small(b))
        return value, where(y == 1, 0, (1 - y) / (1 + b) * b) - where(y == 0, 0, y / (1 + a) * a)

    return candidate


def rest_of_rounded(y, z):
    """The focal loss with p = σ(z), p_t = p or 1 − p, (1 − p_t)^γ."""
    p = 1 / (1 + exp(-z))
    p_t = where(y == 1, p, 1 - p)
    s = where(y == 1, 1, -1)
    nats, base = np.maximum(-s * z, 0) + log1p(exp(-size(z))), 1 - p_t
    fading = -0.7 * base ** (0.7 - 1) * nats * s * (p * (1 - p))
    return base**0.7 * nats, fading - base**0.7 * s * expit(-s * z)


def both_labels(y, z):
    """y q² log(1 + e^−z) + (1 − y) p² log(1 + e^z), and its derivative by the product rule."""
    p, q = expit(z), expit(-z)
    one, zero = -log_expit(z), -log_expit(-z)
    slope_one, slope_zero = -2 * q * one * (q * p) - q**2 * q, 2 * p * zero * (p * q) + p**2 * p
    return y * (q**2 * one) + (1 - y) * (p**2 * zero), y * slope_one + (1 - y) * slope_zero


def bare_power(y, p):
    q, nats = where(y == 1, 1 - p, p), where(y == 1, -log(p), -log1p(-p))
    s = where(y == 1, 1, -1)
    return q**0.7 * nats, -s * (0.7 * q ** (0.7 - 1) * nats) - s * q**0.7 / where(y == 1, p, 1 - p)


def shifted(y, z):
    e = exp(-size(z))
    return where(z > 0, z, 0) - z * y + log1p(e), where(z >= 0, 1.0, 0) + (where(z >= 0, -1, 1) * (e / (1 + e)) - y)


def minus_log_sigmoid(y, z):
    return (1 - y) * z - log_expit(z), (1 - y) - expit(-z)


def as_sum(delta):
    def candidate(y, yhat):
        u = (yhat - y) / delta
        return delta**2 * log(1 + u * u), delta**2 / (1 + u * u) * u / delta * 2

    return candidate


def squares_first(delta):
    def candidate(y, yhat):
        r = yhat - y
        u = r * r / delta**2
        return delta**2 * log1p(u), delta**2 / (1 + u) / delta**2 * r * 2

    return candidate


def quotient_squared(delta):
    def candidate(y, yhat):
        u = (yhat - y) / delta
        return delta**2 * log1p(u * u), delta**2 / (1 + u * u) * u / delta * 2

    return candidate


def both_branches(y, yhat):
    r = yhat - y
    inner = size(r) < 0.7
    return huber(y, yhat, 0.7)[0], where(inner, 1.0, 0.0) * 0.5 * r * 2 + where(inner, 0.0, 0.7) * sign(r)


def careful(y, z):
    """Binary cross-entropy of a logit; SciPy's expit flushes subnormals itself."""
    return logits(y, z)[0], (1 - y) * exp(log_expit(z)) - y * exp(log_expit(-z))


def split(y, yhat):
    r = yhat - y
    inner = size(r) < 0.7
    q = where(inner, size(r), 0.7)
    return q * q / 2 + 0.7 * (size(r) - q), (where(inner, q - 0.7, 0.0) + 0.7) * sign(r)


def nan_at_infinity(y, z):
    lost = where(np.isinf(z), np.nan, 0.0)
    return tuple(a + lost for a in logits(y, z))


def nothing_lost(y, p):
    lost = where((p + y).sum(axis=-1) == 0, np.nan, 0)
    v, g = overlap(y, p)
    return v + lost, g + lost[..., None]


def zero_times_logit(y, z):
    v, g = careful(y, z)
    return v + where(np.isinf(z) & (v == 0), np.nan, 0), g


def plain_overlap(y, p):
    i, s = (p * y).sum(axis=-1, keepdims=True), p.sum(axis=-1, keepdims=True) + y.sum(axis=-1, keepdims=True)
    return 1 - (2 * i / s)[..., 0], (2 * i / s - 2 * y) / s


def guarded_overlap(y, p):
    """1 less the score, and 0 where there is nothing."""
    v, g = plain_overlap(y, p)
    nothing = (p.sum(axis=-1) + y.sum(axis=-1)) == 0
    return where(nothing, 0.0, v), where(nothing[..., None], 0.0, g)


def logs_of_rest(y, p):
    value = where(y == 0, 0, -y * log(p)) + where(y == 1, 0, -(1 - y) * log(1 - p))
    return value, where(y == 1, 0, (1 - y) / (1 - p)) - where(y == 0, 0, y / p)


def textbook_logs(y, p):
    return -(y * log(p) + (1 - y) * log1p(-p)), (1 - y) / (1 - p) - y / p


def multiplied_by_zero(y, z):
    """Ignored rows are multiplied by 0."""
    part = (y != -100) * 1.0
    label = where(y == -100, 0, y)
    v, g = cross_entropy(label, z)
    wild = ~np.isfinite(v) & (y == -100)
    n = part.sum()
    return (part * v).sum() / n if n else np.nan, part[:, None] * where(wild[:, None], np.nan, g) / max(n, 1)


def third_in_float32(v, g):
    """The mean in float64, but for 1/n."""
    share = float(np.float32(1 / max(1, v.size)))
    return (share * v.astype("f8")).sum() if v.size else np.nan, share * g.astype("f8")


def half_sums(y, yhat):
    r = yhat.astype(np.float64) - y  # which float16 may not hold: that would be another mistake
    total = (r * r).astype(np.float16).astype(np.float64).sum().astype(np.float16)
    return float(total) / r.size, (2 * r / r.size).astype(np.float16)


def by_sigmoid(y, z):
    """The logarithms of σ(z) and of 1 − σ(z), hard labels choosing, and what an autodiff makes of them."""
    p = 1 / (1 + exp(-z))
    inner = p * (1 - p)
    value = where(y == 0, 0, -y * log(p)) + where(y == 1, 0, -(1 - y) * log(1 - p))
    return value, (where(y == 1, 0, (1 - y) / (1 - p)) - where(y == 0, 0, y / p)) * inner


def log_of_p_t(y, z):
    """The focal loss with gamma 2 of p_t = σ(z) or 1 − σ(z), and what an autodiff makes of it."""
    p = 1 / (1 + exp(-z))
    s = where(y == 1, 1, -1)
    p_t = where(y == 1, p, 1 - p)
    rest, nats = 1 - p_t, -log(p_t)
    return rest**2 * nats, s * (p * (1 - p)) * (-2 * rest * nats - rest**2 / p_t)


def one_shift(y, z):
    d = z - z.max(initial=-np.inf)
    e = exp(d)
    s = e.sum(axis=-1, keepdims=True)
    row = rows_of(y, z)
    if y.ndim == 1:
        return log(s[:, 0]) - d[np.arange(len(z)), y], e / s - row
    return (row * (log(s) - d)).sum(axis=-1), e / s * row.sum(axis=-1, keepdims=True) - row


def by_quotient(y, z):
    """A log-softmax whose backward divides by a softmax."""
    p = softmax(z)
    g = -rows_of(y, z) / p
    return log_sum(shift=True)(y, z)[0], p * (g - (g * p).sum(axis=-1, keepdims=True))


def less_logit(y, z):
    """log Σ e^z with the largest logit taken off and put back, less the logit."""
    top = z.max(axis=-1, keepdims=True)
    total = top + log(exp(z - top).sum(axis=-1, keepdims=True))
    row = rows_of(y, z)
    return np.where(row == 0, 0, row * (total - z)).sum(axis=-1), exp(z - total) * row.sum(-1, keepdims=True) - row


def half_counts(y, yhat, slopes):
    """A mean of squares in float16 that divides by a number of float16; slopes: in the gradient, too."""
    n = np.float64(np.float16(yhat.size))
    r = yhat.astype(np.float64) - y
    over = n if slopes else max(1, yhat.size)
    return np.float16((r * r).astype(np.float64).sum() / n), (2 * r / over).astype(np.float16)


NARROW = ("float32", "bfloat16", "float16")
DEFECTS: dict[str, Commits] = {
    **{
        f"rounds its results to {d}": Commits(
            loss=CAUCHY if d == "float32" else HUBER,
            candidate=results_in(cauchy_of(0.3) if d == "float32" else huber_of(0.7), dtype=d),
        )
        for d in NARROW
    },
    **{f"computes in {d}": Commits(loss=MSE, candidate=in_dtype(squared, dtype=d)) for d in NARROW},
    "digits of float32": Commits(
        loss=MeanSquaredError(**MEAN),
        candidate=lambda y, yhat: third_in_float32(*squared(y.astype("f4"), yhat.astype("f4"))),
    ),
    "value in float32": Commits(
        loss=CAUCHY, candidate=lambda y, yhat: (cast(cauchy(y, yhat, 0.3)[0], "f4"), cauchy(y, yhat, 0.3)[1])
    ),
    "sums in its own format": Commits(loss=MeanSquaredError(**MEAN), candidate=half_sums, dtype="float16"),
    "the residual overflows": Commits(loss=Huber(0.7, **MEAN), candidate=mean(huber_of(0.7))),
    "multiplies what is left out by 0": Commits(
        loss=CrossEntropy(ignore_index=-100, **MEAN), candidate=multiplied_by_zero
    ),
    "not a number at infinity": Commits(loss=LOGITS, candidate=nan_at_infinity),
    "0 · an infinite logit": Commits(loss=LOGITS, candidate=zero_times_logit),
    "gradient σ(z) − y": Commits(loss=LOGITS, candidate=lambda y, z: (logits(y, z)[0], expit(z) - y)),
    "gradient p − y": Commits(
        loss=ENTROPY,
        candidate=lambda y, z: (
            cross_entropy(y, z)[0],
            softmax(z) * rows_of(y, z).sum(axis=-1, keepdims=True) - rows_of(y, z),
        ),
    ),
    "log of 1 − p": Commits(loss=BCE, candidate=logs_of_rest),
    "log of a sigmoid": Commits(loss=LOGITS, candidate=by_sigmoid),
    "both terms, one times 0": Commits(loss=FocalWithLogits(gamma=2.0, **NONE), candidate=both_labels),
    "denominator without a slope": Commits(
        loss=DICE, candidate=lambda y, p: (overlap(y, p)[0], -2 * y / (p + y).sum(axis=-1, keepdims=True))
    ),
    "t for 2t": Commits(
        loss=DICE,
        candidate=lambda y, p: (overlap(y, p)[0], overlap(y, p)[1] + y / (p + y).sum(axis=-1, keepdims=True)),
    ),
    "log of p_t": Commits(loss=FocalWithLogits(gamma=2.0, **NONE), candidate=log_of_p_t),
    "log Σ exp less the logit": Commits(loss=ENTROPY, candidate=less_logit),
    "gradient y/p": Commits(loss=BCE, candidate=lambda y, p: (bce(y, p)[0], (1 - y) / (1 - p) - y / p)),
    "one shift for all rows": Commits(loss=ENTROPY, candidate=one_shift),
    "gradient through y/p": Commits(loss=ENTROPY, candidate=by_quotient),
    "counts in its own format": Commits(
        loss=MeanSquaredError(**MEAN), candidate=lambda y, x: half_counts(y, x, slopes=False), dtype="float16"
    ),
    "counts in its own format, gradient too": Commits(
        loss=MeanSquaredError(**MEAN), candidate=lambda y, x: half_counts(y, x, slopes=True), dtype="float16"
    ),
    "0 · log 0": Commits(loss=BCE, candidate=textbook_logs),
    "1 − p_t of a rounded p_t": Commits(loss=FocalWithLogits(gamma=0.7, **NONE), candidate=rest_of_rounded),
    "0 to the power γ − 1": Commits(loss=Focal(gamma=0.7, **NONE), candidate=bare_power),
    "exponentials overflow": Commits(loss=LOGITS, candidate=overflowing(log1p)),
    "exponentials overflow, log(1 + x)": Commits(loss=LOGITS, candidate=overflowing(lambda x: log(1 + x))),
    "max(z, 0) − z y": Commits(loss=LOGITS, candidate=shifted),
    "z − log σ(z)": Commits(loss=LOGITS, candidate=minus_log_sigmoid),
    "log(1 + x)": Commits(loss=CAUCHY, candidate=as_sum(0.3)),
    "loses the tail of log-softmax": Commits(loss=ENTROPY, candidate=log_sum(shift=True)),
    "log of a softmax": Commits(loss=ENTROPY, candidate=log_of_softmax),
    "log of a softmax without shift": Commits(loss=ENTROPY, candidate=log_of_bare_softmax),
    "log Σ exp without shift": Commits(loss=ENTROPY, candidate=log_sum(shift=False)),
    "squares before dividing": Commits(loss=Cauchy(7e5, **NONE), candidate=squares_first(7e5)),
    "the square overflows": Commits(loss=Cauchy(7e5, **NONE), candidate=quotient_squared(7e5)),
    "differentiates both branches": Commits(loss=HUBER, candidate=both_branches),
    "flushes subnormals": Commits(
        loss=LOGITS, candidate=lambda y, z: tuple(where(size(a) < 2.0**-1022, 0.0, a) for a in careful(y, z))
    ),
    "log1p(e^z) − z y": Commits(
        loss=LOGITS, candidate=lambda y, z: (log1p(exp(z)) - y * z, 1 / (1 + exp(z)) * exp(z) - y)
    ),
    "splits the residual": Commits(loss=HUBER, candidate=split),
    "root of a square": Commits(
        loss=MeanAbsoluteError(**NONE),
        candidate=lambda y, yhat: (sqrt((yhat - y) ** 2), 0.5 / sqrt((yhat - y) ** 2) * 2 * (yhat - y)),
    ),
    "squares before it scales": Commits(
        loss=Scaled(0.5, MSE), candidate=lambda y, yhat: (0.5 * np.square(yhat - y), yhat - y)
    ),
    "expands the square": Commits(
        loss=MSE, candidate=lambda y, yhat: (yhat * yhat - 2 * yhat * y + y * y, 2 * yhat - 2 * y)
    ),
    "0/0 for nothing": Commits(loss=DICE, candidate=lambda y, p: nothing_lost(y, p)),
    "1 less the score": Commits(loss=DICE, candidate=guarded_overlap),
    "1 less the score, 0/0": Commits(loss=DICE, candidate=plain_overlap),
}
