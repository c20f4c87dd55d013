"""A tape works a formula out in a format and differentiates it, as an autodiff does.

It rounds, overflows and multiplies 0 by ∞. That is where dead and infinite gradients come from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reflosses.comparison.formats import Format, dtype_of
from reflosses.evaluation.domain import Floats


class Node:
    """Numbers of a format, and the nodes they were made of."""

    __array_ufunc__ = None  # NumPy then leaves `array * node` to `Node.__rmul__`

    def __init__(self, tape: Tape, value: Any, *parents: tuple[Node, Callable[[Any], Any]]) -> None:
        self.tape, self.value, self.parents = tape, tape.rounded(value), parents
        tape.nodes.append(self)

    def __add__(self, other: Any) -> Node:
        b = self.tape.node(other)
        return Node(self.tape, self.value + b.value, (self, lambda g: g), (b, lambda g: g))

    def __sub__(self, other: Any) -> Node:
        b = self.tape.node(other)
        return Node(self.tape, self.value - b.value, (self, lambda g: g), (b, lambda g: -g))

    def __mul__(self, other: Any) -> Node:
        b = self.tape.node(other)
        return Node(self.tape, self.value * b.value, (self, lambda g: g * b.value), (b, lambda g: g * self.value))

    def __truediv__(self, other: Any) -> Node:
        b = self.tape.node(other)
        ratio = self.value / b.value
        return Node(self.tape, ratio, (self, lambda g: g / b.value), (b, lambda g: -g * ratio / b.value))

    __radd__ = __add__

    def __rsub__(self, other: Any) -> Node:
        return self.tape.node(other) - self

    __rmul__ = __mul__

    def __rtruediv__(self, other: Any) -> Node:
        return self.tape.node(other) / self

    def __neg__(self) -> Node:
        return Node(self.tape, -self.value, (self, lambda g: -g))

    def column(self) -> Node:
        """One number a row, as a column."""
        return Node(self.tape, self.value[:, None], (self, lambda g: g.reshape(self.value.shape)))


class Tape:
    """Arithmetic of a format that remembers its steps."""

    def __init__(self, form: Format) -> None:
        self.form, self.nodes = form, list[Node]()
        self.dtype = np.dtype(np.float64) if form.name == "bfloat16" else dtype_of(form)

    def rounded(self, a: Any) -> Any:
        """Numbers of the format."""
        if isinstance(a, np.ndarray) and a.dtype == self.dtype and self.form.name != "bfloat16":
            return a
        return self.form.round(a) if self.form.name == "bfloat16" else np.asarray(a).astype(self.dtype, copy=False)

    def node(self, a: Any) -> Node:
        """A node, or a constant."""
        return a if isinstance(a, Node) else Node(self, np.asarray(a))

    def gradient(self, out: Node, x: Node) -> Floats:
        """The derivative of the sum of `out` by `x`."""
        up: dict[int, Any] = {id(out): np.ones_like(out.value)}
        for node in reversed(self.nodes):
            g = up.get(id(node))
            if g is None or node is x:
                continue
            for parent, chain in node.parents:
                part = self.rounded(chain(g))
                while part.ndim > parent.value.ndim:
                    part = part.sum(axis=0)
                for i, k in enumerate(parent.value.shape):
                    if part.shape[i] != k:
                        part = part.sum(axis=i, keepdims=True)
                old = up.get(id(parent))
                up[id(parent)] = part if old is None else self.rounded(old + part)
        return np.asarray(up.get(id(x), np.zeros_like(x.value)), np.float64)

    def exp(self, a: Node) -> Node:
        """e to the power of a."""
        e = self.rounded(np.exp(a.value))
        return Node(self, e, (a, lambda g: g * e))

    def log(self, a: Node) -> Node:
        """The natural logarithm."""
        return Node(self, np.log(a.value), (a, lambda g: g / a.value))

    def log1p(self, a: Node) -> Node:
        """The logarithm of 1 + a."""
        return Node(self, np.log1p(a.value), (a, lambda g: g / self.rounded(1 + a.value)))

    def sqrt(self, a: Node) -> Node:
        """The square root."""
        root = self.rounded(np.sqrt(a.value))
        return Node(self, root, (a, lambda g: g / (2 * root)))

    def abs(self, a: Node) -> Node:
        """The absolute value."""
        return Node(self, np.abs(a.value), (a, lambda g: g * np.sign(a.value)))

    def sigmoid(self, a: Node) -> Node:
        """1/(1 + e^−a)."""
        s = self.rounded(1 / self.rounded(1 + self.rounded(np.exp(-a.value))))
        return Node(self, s, (a, lambda g: g * self.rounded(s * self.rounded(1 - s))))

    def power(self, a: Node, k: float) -> Node:
        """a to the power of a constant."""
        if k == 0:
            return self.node(np.ones_like(a.value))
        k, less = self.rounded(k), self.rounded(k - 1)
        return Node(self, a.value**k, (a, lambda g: g * self.rounded(k * a.value**less)))

    def where(self, condition: Any, a: Any, b: Any) -> Node:
        """a or b. Both are differentiated, and one slope is multiplied by 0."""
        a, b = self.node(a), self.node(b)
        chosen = np.where(condition, a.value, b.value)
        return Node(self, chosen, (a, lambda g: np.where(condition, g, 0)), (b, lambda g: np.where(condition, 0, g)))

    def clip(self, a: Node, low: float, high: float) -> Node:
        """a between two constants; the slope is 0 outside."""
        low, high = self.rounded(low), self.rounded(high)
        inside = (a.value >= low) & (a.value <= high)
        return Node(self, np.clip(a.value, low, high), (a, lambda g: np.where(inside, g, 0)))

    def sum(self, a: Node, axis: int = 1) -> Node:
        """The sum along an axis."""
        total = a.value.sum(axis=axis)
        return Node(self, total, (a, lambda g: np.broadcast_to(np.expand_dims(g, axis), a.value.shape)))

    def pick(self, a: Node, index: Any) -> Node:
        """The number of one class of each row."""
        at = np.arange(len(index)), index

        def back(g: Any) -> Any:
            out = np.zeros_like(a.value)
            out[at] = g
            return out

        return Node(self, a.value[at], (a, back))
