"""Exact and near-exact numbers for the tests, from `fractions` and `decimal` alone: no code under test is asked."""

import math
from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

DIGITS = 400  # e^−745 is 10^−324; 1 + e^−745 must keep it, with digits to spare


def ulps(got: object, exact: Iterable[Fraction | float]) -> float:
    """The largest distance of floats from exact numbers, in units in the last place of these."""
    pairs = zip(np.ravel(got).tolist(), exact, strict=True)
    return float(max(abs(Fraction(g) - Fraction(x)) / Fraction(math.ulp(float(x))) for g, x in pairs))


def exp(x: Fraction | float) -> Fraction:
    """eˣ of a rational number, to 400 digits."""
    x = Fraction(x)
    with localcontext(prec=DIGITS):
        return Fraction((Decimal(x.numerator) / x.denominator).exp())


def log(x: Fraction | float) -> Fraction:
    """The logarithm of a rational number, to 400 digits."""
    x = Fraction(x)
    with localcontext(prec=DIGITS):
        return Fraction((Decimal(x.numerator) / x.denominator).ln())
