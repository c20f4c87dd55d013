"""Floating-point formats: their numbers, and the distances between neighbours.

All of it is float64 arithmetic on powers of two, the same on every CPU. No library of the format is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.evaluation.domain import Floats


@dataclass(frozen=True)
class Format:
    """A binary format of `bits` significant bits; its largest number is just below 2^top."""

    name: str
    bits: int
    top: int

    def __str__(self) -> str:
        return self.name

    @property
    def eps(self) -> float:
        """The distance from 1 to the next number."""
        return float(2.0 ** (1 - self.bits))

    @property
    def max(self) -> float:
        """The largest number."""
        return float((2 - self.eps) * 2.0 ** (self.top - 1))

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return float(2.0 ** (2 - self.top))

    @property
    def smallest(self) -> float:
        """The smallest number above 0, subnormal."""
        return float(np.ldexp(1.0, 3 - self.top - self.bits))

    def spacing(self, size: Any) -> Floats:
        """The unit in the last place of numbers of that size. Beyond the largest number it stays the same."""
        _, exponent = np.frexp(np.fmin(np.abs(size), self.max))
        exponent = np.where(np.asarray(size) == 0, -5000, exponent)
        return np.asarray(np.ldexp(1.0, np.maximum(exponent - self.bits, 3 - self.top - self.bits)))

    def round(self, a: Any) -> Floats:
        """The nearest numbers of the format, ties to even. Numbers that are too large become infinite."""
        a = np.asarray(a, np.float64)
        if self.name == "float64":
            return np.asarray(a)
        with np.errstate(all="ignore"):
            unit = self.spacing(a)
            near = np.rint(a / unit) * unit
            near = np.where(np.abs(near) > self.max, np.copysign(np.inf, a), near)
            return np.asarray(np.where(np.isfinite(a), near, a))

    @property
    def last(self) -> int:
        """The place of the largest number: how many numbers above 0 there are."""
        return (2 * self.top - 1) * 2 ** (self.bits - 1) - 1

    def place(self, a: Any) -> NDArray[np.int64]:
        """The place of each number among all numbers of the format, in their order; 0 has the place 0.

        Neighbouring numbers have neighbouring places, whose size is that of their bits, read as an integer.
        """
        bits = np.abs(np.asarray(a, np.float64)).astype(_CARRIERS[self.name]).view(_INTEGERS[self.name])
        return np.asarray(np.where(np.signbit(a), -1, 1) * (bits.astype(np.int64) >> self._unused))

    def number(self, place: Any) -> Floats:
        """The number at a place from −`last` to `last`."""
        place = np.asarray(place, np.int64)
        bits = (np.abs(place) << self._unused).astype(_INTEGERS[self.name])
        return np.asarray(np.copysign(bits.view(_CARRIERS[self.name]).astype(np.float64), place))

    @property
    def _unused(self) -> int:
        """Trailing bits of the carrier that are 0."""
        return 16 if self.name == "bfloat16" else 0


# The formats of NumPy whose bits are read; bfloat16 is the upper half of float32.
_CARRIERS = {"float64": np.float64, "float32": np.float32, "float16": np.float16, "bfloat16": np.float32}
_INTEGERS = {"float64": np.int64, "float32": np.int32, "float16": np.int16, "bfloat16": np.int32}


FORMATS = {
    f.name: f
    for f in (
        Format("float64", 53, 1024),
        Format("float32", 24, 128),
        Format("float16", 11, 16),
        Format("bfloat16", 8, 128),
    )
}


def dtype_of(form: Format) -> Any:
    """NumPy's dtype of a format. bfloat16 needs ml_dtypes."""
    if form.name != "bfloat16":
        return np.dtype(form.name)
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError("arrays of bfloat16 need ml_dtypes: pip install ml_dtypes") from None
    return np.dtype(ml_dtypes.bfloat16)
