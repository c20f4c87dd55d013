"""What a target, a prediction, a weight or a parameter may be.

One small object says it for all uses: it checks the user's numbers, and it words the error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX = float(np.finfo(float).max)


class OutsideDomain(Exception):
    """Some number is outside its domain. `Call.error` finds the first and words the message."""


class Domain(ABC):
    """A set of numbers; `str(domain)` is how an error names it."""

    @abstractmethod
    def outside(self, a: Floats) -> Bools:
        """Where `a` is not in the domain. NaN is outside of labels and class indices only."""

    def holds(self, a: Floats) -> bool:
        """Whether all of `a` is inside. Subclasses answer this faster than `outside`."""
        return not self.outside(a).any()

    def read(self, a: Floats) -> Floats:
        """`a`, ready for formulas; OutsideDomain if a number is outside."""
        if not self.holds(a):
            raise OutsideDomain
        return a


def within(a: NDArray[Any], low: float, high: float) -> bool:
    """Whether all of `a` lies in [low, high]; NaN does not. For low = 0, `a` must be float64."""
    if a.size <= 1:
        return not a.size or low <= a.item() <= high  # a fifth of the time that two reductions take
    if low == 0.0 and 0.0 < _in_bits(a) <= high:
        return True
    return bool(a.min() >= low and a.max() <= high)


def positive(a: NDArray[Any]) -> bool:
    """Whether all of `a` is above 0; NaN is not."""
    return within(a, 5e-324, np.inf)


def magnitude(a: Floats, axis: int | None = None) -> Any:
    """The largest |a| along an axis; NaN if `a` holds one."""
    top = _in_bits(a, axis)
    if positive(top):
        return top
    return np.maximum(np.maximum.reduce(a, axis=axis), -np.minimum.reduce(a, axis=axis))


def _in_bits(a: Floats, axis: int | None = None) -> Any:
    """The largest number, in one pass, if all are from 0 on; otherwise −0, a negative number or NaN.

    Read as unsigned integers, the floats from 0 on are in order, and all floats with a sign come after them.
    """
    if a.itemsize != 8:  # wider floats are asked in two passes
        return np.float64(np.nan)
    return np.maximum.reduce(a.view(np.uint64), axis=axis).view(np.float64)


@dataclass(frozen=True)
class Interval(Domain):
    """The real numbers between `low` and `high`; an open end is not a member."""

    name: str
    low: float = -np.inf
    high: float = np.inf
    open_low: bool = False
    open_high: bool = False

    def __str__(self) -> str:
        if np.isinf(self.low) and np.isinf(self.high) and not self.open_high:
            return self.name
        left, right = "(" if self.open_low else "[", ")" if self.open_high else "]"
        return f"{self.name} in {left}{self.low:g}, {self.high:g}{right}"

    def outside(self, a: Floats) -> Bools:
        below = a <= self.low if self.open_low else a < self.low
        above = a >= self.high if self.open_high else a > self.high
        return np.asarray(below | above)

    def holds(self, a: Floats) -> bool:
        if self.low == -np.inf and self.high == np.inf and not (self.open_low or self.open_high):
            return True
        if self.open_low or self.open_high:
            return super().holds(a)
        return within(a, self.low, self.high) or super().holds(a)  # NaN is not outside

    def read(self, a: Floats) -> Floats:
        """`a`, with −0 made 0 if the interval starts at 0: a formula may have a pole there, and 1/−0 is −∞."""
        if self.low != 0.0:
            return super().read(a)
        if (
            a.size
            and not (self.open_low or self.open_high)
            and 0.0 < (a.item() if a.size == 1 else _in_bits(a)) <= self.high
        ):
            return a
        return super().read(a) + 0.0


@dataclass(frozen=True)
class Logit(Interval):
    """Any real number, of which a sigmoid or a softmax is taken."""


@dataclass(frozen=True)
class Labels(Domain):
    """A finite set of exact values, such as {−1, 1}."""

    values: tuple[float, ...]

    def __str__(self) -> str:
        return "a label in {" + ", ".join(f"{v:g}" for v in self.values) + "}"

    def outside(self, a: Floats) -> Bools:
        none = a != self.values[0]
        for value in self.values[1:]:
            none &= a != value
        return np.asarray(none)

    def holds(self, a: Floats) -> bool:
        return a.item() in self.values if a.size == 1 else super().holds(a)


@dataclass(frozen=True)
class Classes(Domain):
    """Class indices 0 … C − 1, one a row. `rows`: the numbers of a row of class probabilities, if a loss takes them."""

    ignore_index: int | None = None
    rows: Interval | None = None
    count: int = 1  # C, known once the predictions are

    def __str__(self) -> str:
        return f"a class index from 0 to {self.count - 1}"

    def of(self, count: int) -> Classes:
        """The same domain for `count` classes."""
        return Classes(self.ignore_index, self.rows, count)

    def ignored(self, a: Floats) -> Bools | None:
        """Which labels are `ignore_index`; None if there is no such index."""
        if self.ignore_index is None:
            return None
        own = _held(self.ignore_index, a.dtype)
        return np.zeros(a.shape, bool) if own is None else np.asarray(a == own)

    def outside(self, a: Floats) -> Bools:
        a = _wide(a)
        return np.asarray(~((a >= 0) & (a < self.count) & (a == np.floor(a))))

    def holds(self, a: Floats) -> bool:
        a = _wide(a)
        return within(a, -0.5, self.count - 0.5) and (a.dtype.kind in "bui" or bool((a == np.floor(a)).all()))


def _wide(a: NDArray[Any]) -> NDArray[Any]:
    """Labels in a dtype that holds every number of classes: 3001 is no float16."""
    return a if a.dtype.kind in "bui" or a.dtype.itemsize >= 8 else a.astype(np.float64)


@lru_cache(maxsize=256)
def _held(n: int, dtype: np.dtype[Any]) -> Any:
    """The number of a dtype that equals an integer, or None: in float16, 2049 would become 2048."""
    twos = (n & -n).bit_length() - 1 if n else 0
    odd = n >> twos
    if odd.bit_length() > 64 or twos > 2**14:
        return None
    with np.errstate(all="ignore"):
        high, low = np.longdouble(odd >> 32), np.longdouble(odd & 2**32 - 1)
        wide = np.ldexp(np.ldexp(high, 32) + low, twos)
        if not np.isfinite(wide) or int(wide) != n:
            return None
        own = np.asarray(wide).astype(dtype)
        return own if own.astype(np.longdouble) == wide else None


REAL = Interval("a real number")
LOGIT = Logit("a real number")
PROBABILITY = Interval("a probability", 0.0, 1.0)
POSITIVE = Interval("a finite number", 0.0, np.inf, open_low=True, open_high=True)
NON_NEGATIVE = Interval("a finite number", 0.0, np.inf, open_high=True)
SQUARED = Interval("a squared error", 0.0, np.inf)
FRACTION = Interval("a number", 0.0, 1.0)
EXPONENT = Interval("a number", 0.0, 1e6)
CLAMP = Interval("a number", 0.0, 0.5, open_low=True, open_high=True)


def real_array(a: Any, *names: object) -> NDArray[Any]:
    """`a` as an array of its own real dtype, never a copy. TypeError if it is no plain array of real numbers.

    `names` say in the error which argument it is.
    """
    if type(a) is np.ndarray and a.dtype.kind in "buif":
        return a

    def refused(why: str) -> TypeError:
        return TypeError(f"{': '.join(map(str, names))} {why}")

    if isinstance(a, np.ma.MaskedArray):
        raise refused("is a masked array; drop or weight its masked entries, they would be read as data")
    try:
        raw = np.asarray(a)
    except Exception as error:  # whatever a foreign tensor raises when NumPy cannot view it
        raise refused(f"cannot be read as an array of real numbers: {error}") from error
    kind = raw.dtype.kind
    if kind not in "buif" and not (kind == "V" and raw.dtype.names is None and np.can_cast(raw.dtype, np.float64)):
        raise refused(f"must be an array of real numbers, got dtype {raw.dtype}")
    return raw


def as_array(a: Any, what: object) -> Floats:
    """`a` as float64; TypeError as in `real_array`. A float64 array is not copied."""
    with np.errstate(all="ignore"):  # a wider number may overflow
        return real_array(a, what).astype(np.float64, copy=False)
