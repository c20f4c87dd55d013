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
    """A binary format of `bits` significant bits; its largest number is just below 2^top.

    Its finite numbers have places in their order: 0 has the place 0, −0 the place −1, and neighbours have neighbouring
    places. In float32 the largest number has the place 2139095039.
    """

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

    @property
    def width(self) -> int:
        """The bits of one number: sign, exponent and significand."""
        return self.bits + self.top.bit_length()

    @property
    def last(self) -> int:
        """The place of the largest number."""
        return int((2 * self.top - 1) << (self.bits - 1)) - 1

    def numbers(self, start: int, stop: int) -> Floats:
        """The numbers at the places from start to stop, without the last, as float64."""
        if start < 0 < stop:
            return np.concatenate([self.numbers(start, 0), self.numbers(0, stop)])
        if start < 0:
            return -self.numbers(-stop, -start)[::-1]
        return self._of_bits(np.arange(start, stop, dtype=f"u{self.width // 8}"))

    def numbers_at(self, places: Any) -> Floats:
        """The numbers at some places."""
        places = np.asarray(places, np.int64)
        size = self._of_bits(np.where(places < 0, -places - 1, places).astype(f"u{self.width // 8}"))
        return np.where(places < 0, -size, size)

    def _of_bits(self, bits: NDArray[Any]) -> Floats:
        """The numbers without a sign that have these bits."""
        if self.name == "bfloat16":
            return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
        return bits.view(f"f{self.width // 8}").astype(np.float64)

    def places(self, a: Any) -> NDArray[np.int64]:
        """The places of numbers of the format."""
        a = np.asarray(a, np.float64)
        if self.name == "bfloat16":
            size = (np.abs(a).astype(np.float32).view(np.uint32) >> 16).astype(np.int64)
        else:
            size = np.abs(a).astype(f"f{self.width // 8}").view(f"u{self.width // 8}").astype(np.int64)
        return np.asarray(np.where(np.signbit(a), -size - 1, size), np.int64)

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


def shortest(form: Format, x: float) -> str:
    """The fewest digits that name a number of the format."""
    if not np.isfinite(x) or x == 0:
        return f"{x:g}"
    for digits in range(1, 18):
        text = f"{x:.{digits}g}"
        if form.round(float(text)) == x:
            return text if "e" not in text or abs(x) >= 1e6 or abs(x) < 1e-4 else f"{float(text):.0f}"
    return repr(x)
