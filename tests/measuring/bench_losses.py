"""What `bench.py` times: the losses, and what computes them elsewhere, one row a loss.

Every peer computes the mean of the same numbers and its gradient, from its own kind of arrays, made beforehand.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

import reflosses

VALUE, GRADIENT, BOTH = WHATS = ("value", "gradient", "both")

Call = Callable[[], Any]
Pair = tuple[Any, Any]


# ---- the losses ------------------------------------------------------------------------------------------------------


class Plain(NamedTuple):
    """Formulas in NumPy: terms of (y, yhat), from which value and gradient are made."""

    terms: Callable[..., Any]
    value: Callable[..., Any]
    gradient: Callable[..., Any]


class Row(NamedTuple):
    """A loss, its inputs, and what computes its mean in each peer."""

    name: str
    ours: Any
    data: Callable[[np.random.Generator, int], Pair]  # (y, yhat) of N elements
    naive: Plain
    torch: Callable[..., Any]  # of (torch.nn.functional, y, yhat)
    jax: Callable[..., Any]  # of (jax.numpy, optax, y, yhat)
    scipy: Plain | None = None
    sklearn: tuple[str, dict[str, Any], float] | None = None  # class, its parameters, our loss / its loss
    kind: str = "elementwise"


def residuals(rng: np.random.Generator, n: int) -> Pair:
    return rng.normal(size=n), rng.normal(size=n)


def margins(rng: np.random.Generator, n: int) -> Pair:
    return rng.choice((-1.0, 1.0), n), rng.normal(scale=1.5, size=n)


def probabilities(rng: np.random.Generator, n: int) -> Pair:
    return rng.choice((0.0, 1.0), n), rng.uniform(0.01, 0.99, n)


def logits(rng: np.random.Generator, n: int) -> Pair:
    return rng.choice((0.0, 1.0), n), rng.normal(scale=3.0, size=n)


def picked(a: Any, y: Any) -> Any:
    """The entry of each row that belongs to its label."""
    return a[np.arange(len(y)), y]


def less_one_hot(p: Any, y: Any) -> Any:
    """The gradient of the mean, from probabilities that are overwritten."""
    p[np.arange(len(y)), y] -= 1
    return p / len(y)


def softmax_terms(y: Any, z: Any) -> tuple[Any, ...]:
    s = z - z.max(axis=1, keepdims=True)
    e = np.exp(s)
    return y, s, e, e.sum(axis=1, keepdims=True)


def cross_entropy(classes: int) -> Row:
    def rows_of_logits(rng: np.random.Generator, n: int) -> Pair:
        rows = max(1, n // classes)
        return rng.integers(classes, size=rows), rng.normal(scale=2.0, size=(rows, classes))

    return Row(
        f"CE of {classes} classes",
        reflosses.CrossEntropy(),
        rows_of_logits,
        Plain(
            softmax_terms,
            lambda y, s, e, total: np.mean(np.log(total[:, 0]) - picked(s, y)),
            lambda y, s, e, total: less_one_hot(e / total, y),
        ),
        lambda F, y, z: F.cross_entropy(z, y),
        lambda np, optax, y, z: optax.softmax_cross_entropy_with_integer_labels(z, y).mean(),
        Plain(
            lambda y, z: (y, z),
            lambda y, z: np.mean(special.logsumexp(z, axis=1) - picked(z, y)),
            lambda y, z: less_one_hot(special.softmax(z, axis=1), y),
        ),
        ("HalfMultinomialLoss", {"n_classes": classes}, 1.0),
        kind="class-axis",
    )


def focal_terms(y: Any, z: Any) -> tuple[Any, Any]:
    p = 1 / (1 + np.exp(-z))
    return y, np.where(y == 1, p, 1 - p)


def focal(F: Any, y: Any, z: Any) -> Any:
    """As torchvision has it."""
    p = F.sigmoid(z)
    return (F.binary_cross_entropy_with_logits(z, y, reduction="none") * (1 - (p * y + (1 - p) * (1 - y))) ** 2).mean()


def dice(y: Any, p: Any) -> Any:
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum())


def iou(y: Any, p: Any) -> Any:
    return 1 - (p * y).sum() / (p.sum() + y.sum() - (p * y).sum())


DELTA = 0.7
ROWS = (
    Row(
        "MSE",
        reflosses.MeanSquaredError(),
        residuals,
        Plain(lambda y, p: (p - y,), lambda r: np.mean(r**2), lambda r: 2 * r / r.size),
        lambda F, y, p: F.mse_loss(p, y),
        lambda np, optax, y, p: optax.squared_error(p, y).mean(),
        sklearn=("HalfSquaredError", {}, 2.0),
    ),
    Row(
        "MAE",
        reflosses.MeanAbsoluteError(),
        residuals,
        Plain(lambda y, p: (p - y,), lambda r: np.mean(np.abs(r)), lambda r: np.sign(r) / r.size),
        lambda F, y, p: F.l1_loss(p, y),
        lambda np, optax, y, p: np.abs(p - y).mean(),
        sklearn=("AbsoluteError", {}, 1.0),
    ),
    Row(
        "Huber",
        reflosses.Huber(delta=DELTA),
        residuals,
        Plain(
            lambda y, p: (p - y, np.abs(p - y)),
            lambda r, a: np.mean(np.where(a <= DELTA, 0.5 * r**2, DELTA * (a - 0.5 * DELTA))),
            lambda r, a: np.where(a <= DELTA, r, DELTA * np.sign(r)) / r.size,
        ),
        lambda F, y, p: F.huber_loss(p, y, delta=DELTA),
        lambda np, optax, y, p: optax.huber_loss(p, y, delta=DELTA).mean(),
        Plain(
            lambda y, p: (p - y,),
            lambda r: np.mean(special.huber(r.dtype.type(DELTA), r)),
            lambda r: np.clip(r, -DELTA, DELTA) / r.size,
        ),
        ("HuberLoss", {"delta": DELTA}, 1.0),
    ),
    Row(
        "hinge",
        reflosses.Hinge(),
        margins,
        Plain(
            lambda y, p: (y, y * p),
            lambda y, m: np.mean(np.maximum(0, 1 - m)),
            lambda y, m: np.where(m < 1, -y, 0) / y.size,
        ),
        lambda F, y, p: F.relu(1 - y * p).mean(),
        lambda np, optax, y, p: optax.hinge_loss(p, y).mean(),
    ),
    Row(
        "BCE",
        reflosses.BinaryCrossEntropy(),
        probabilities,
        Plain(
            lambda y, p: (y, p),
            lambda y, p: -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)),
            lambda y, p: (p - y) / (p * (1 - p)) / y.size,
        ),
        lambda F, y, p: F.binary_cross_entropy(p, y),
        lambda np, optax, y, p: -(y * np.log(p) + (1 - y) * np.log1p(-p)).mean(),
        Plain(
            lambda y, p: (y, p),
            lambda y, p: -np.mean(special.xlogy(y, p) + special.xlog1py(1 - y, -p)),
            lambda y, p: (p - y) / (p * (1 - p)) / y.size,
        ),
    ),
    Row(
        "BCE with logits",
        reflosses.BinaryCrossEntropyWithLogits(),
        logits,
        Plain(
            lambda y, z: (y, z),
            lambda y, z: np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))),
            lambda y, z: (1 / (1 + np.exp(-z)) - y) / y.size,
        ),
        lambda F, y, z: F.binary_cross_entropy_with_logits(z, y),
        lambda np, optax, y, z: optax.sigmoid_binary_cross_entropy(z, y).mean(),
        Plain(
            lambda y, z: (y, z),
            lambda y, z: -np.mean(special.log_expit(np.where(y == 1, z, -z))),
            lambda y, z: (special.expit(z) - y) / y.size,
        ),
        ("HalfBinomialLoss", {}, 1.0),
    ),
    *map(cross_entropy, (10, 100, 1000)),
    Row(
        "focal with logits",
        reflosses.FocalWithLogits(gamma=2.0),
        logits,
        Plain(
            focal_terms,
            lambda y, p: np.mean((1 - p) ** 2 * -np.log(p)),
            lambda y, p: (2 * y - 1) * (1 - p) ** 2 * (2 * p * np.log(p) + p - 1) / y.size,
        ),
        focal,
        lambda np, optax, y, z: optax.sigmoid_focal_loss(z, y, gamma=2.0).mean(),
    ),
    Row(
        "Dice",
        reflosses.Dice(),
        probabilities,
        Plain(
            lambda y, p: (y, np.sum(p * y), np.sum(p) + np.sum(y)),
            lambda y, both, total: 1 - 2 * both / total,
            lambda y, both, total: 2 * (both / total - y) / total,
        ),
        lambda F, y, p: dice(y, p),
        lambda np, optax, y, p: dice(y, p),
        kind="overlap",
    ),
    Row(
        "IoU",
        reflosses.IoU(),
        probabilities,
        Plain(
            lambda y, p: (y, both := np.sum(p * y), np.sum(p) + np.sum(y) - both),
            lambda y, both, union: 1 - both / union,
            lambda y, both, union: (both * (1 - y) / union - y) / union,
        ),
        lambda F, y, p: iou(y, p),
        lambda np, optax, y, p: iou(y, p),
        kind="overlap",
    ),
    Row(
        "Cauchy",
        reflosses.Cauchy(delta=DELTA),
        residuals,
        Plain(
            lambda y, p: (r := p - y, 1 + (r / DELTA) ** 2),
            lambda r, s: DELTA**2 * np.mean(np.log(s)),
            lambda r, s: 2 * r / s / r.size,
        ),
        lambda F, y, p: DELTA**2 * ((p - y) / DELTA).square().log1p().mean(),
        lambda np, optax, y, p: DELTA**2 * np.log1p(((p - y) / DELTA) ** 2).mean(),
    ),
)


# ---- the peers: what to call for value, gradient and both; nothing where a peer has not got the loss -----------------


def ours(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    loss = row.ours
    calls = {VALUE: loss.value, GRADIENT: loss.grad, BOTH: loss.value_and_grad}
    return {what: functools.partial(call, y, p) for what, call in calls.items()}


def plain(f: Plain | None, y: Any, p: Any) -> dict[str, Call]:
    def both() -> Pair:
        terms = f.terms(y, p)
        return f.value(*terms), f.gradient(*terms)

    return f and {VALUE: lambda: f.value(*f.terms(y, p)), GRADIENT: lambda: f.gradient(*f.terms(y, p)), BOTH: both}


def naive(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    return plain(row.naive, y, p)


def scipy_special(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    return plain(row.scipy, y, p)


def scikit_learn(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    from sklearn import _loss

    if row.sklearn is None:
        return {}
    name, parameters, factor = row.sklearn
    loss, y, scale = getattr(_loss, name)(**parameters), y.astype(p.dtype), factor / len(y)

    def both() -> Pair:
        losses, slopes = loss.loss_gradient(y, p, n_threads=threads)
        return factor * losses.mean(), np.multiply(slopes, scale, out=slopes)

    def gradient() -> Any:
        slopes = loss.gradient(y, p, n_threads=threads)
        return np.multiply(slopes, scale, out=slopes)

    return {VALUE: lambda: factor * loss.loss(y, p, n_threads=threads).mean(), GRADIENT: gradient, BOTH: both}


def torch_eager(row: Row, threads: int, y: Any, p: Any, wrap: Callable[[Any], Any] = lambda f: f) -> dict[str, Call]:
    import torch

    f, y, p = functools.partial(wrap(row.torch), torch.nn.functional), torch.from_numpy(y), torch.from_numpy(p)
    leaf = p.detach().requires_grad_()

    def value() -> Any:
        with torch.no_grad():
            return f(y, p)

    def both() -> Pair:
        loss = f(y, leaf)
        return loss.detach(), torch.autograd.grad(loss, leaf)[0]

    return {VALUE: value, BOTH: both}  # autograd has no gradient without a value


@functools.cache
def compiled(f: Any) -> Any:
    """Once for all sizes: each compilation takes seconds, which is also why the value alone is left out."""
    import torch

    torch._dynamo.config.recompile_limit = 64  # the rows of cross-entropy are one function; beyond it raises
    return torch.compile(f, dynamic=True, fullgraph=True)


def torch_compiled(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    return {BOTH: torch_eager(row, threads, y, p, compiled)[BOTH]}


def jax_jit(row: Row, threads: int, y: Any, p: Any) -> dict[str, Call]:
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)

    def loss(p: Any, y: Any) -> Any:
        return row.jax(jax.numpy, optax, y, p)

    arrays = [jax.device_put(a) for a in (p, y)]
    functions = {VALUE: loss, GRADIENT: jax.grad(loss), BOTH: jax.value_and_grad(loss)}
    jitted = {what: jax.jit(f) for what, f in functions.items()}
    return {what: lambda f=f: jax.block_until_ready(f(*arrays)) for what, f in jitted.items()}


PEERS = {  # ours is first, since the others must agree with it; how many threads each can be told to take
    "ours": (ours, (1, 2)),
    "naive NumPy": (naive, (1,)),
    "scipy.special": (scipy_special, (1,)),
    "scikit-learn": (scikit_learn, (1, 2)),
    "torch eager": (torch_eager, (1, 2)),
    "torch compiled": (torch_compiled, (2,)),
    "jax.jit": (jax_jit, (2,)),  # as many as there are cores, whatever one wishes
}


def set_threads(n: int) -> None:
    reflosses.set_num_threads(n)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)
