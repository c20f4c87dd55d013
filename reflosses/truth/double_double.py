"""Arrays of double-doubles: each number is a sum of two floats, high and low, and has 106 bits.

They stand in for `np.longdouble` where that is no wider than float64. NumPy's operators and functions take them, as far
as losses use these; one that does not keep the low halves raises TypeError. The range is that of float64, and next to
its lower end the low halves lose their bits.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from reflosses.evaluation.numerics import two_product

Pair = tuple[Any, Any]


class DoubleDouble(np.ndarray[Any, Any]):
    """An array of double-doubles: the high halves, with their low halves beside them."""

    _low: Any

    def __new__(cls, high: Any, low: Any = 0.0) -> DoubleDouble:
        """The sum of two arrays of float64 as one array."""
        self = np.array(high, np.float64).view(cls)
        self._low = np.array(np.broadcast_to(np.asarray(low, np.float64), self.shape))
        return self

    def __array_finalize__(self, obj: Any) -> None:
        self._low = None  # whatever made this array kept the high halves alone

    @property
    def itemsize(self) -> int:
        """The bytes of a number."""
        return 16

    def __eq__(self, other: Any) -> Any:
        return False if isinstance(other, str) else super().__eq__(other)

    def __ne__(self, other: Any) -> Any:
        return True if isinstance(other, str) else super().__ne__(other)

    def copy(self, order: Any = "C") -> DoubleDouble:
        """An array of its own."""
        return DoubleDouble(*_halves(self))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        """The same numbers in another shape."""
        return DoubleDouble(*(half.reshape(*shape) for half in _halves(self)))

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        """The nearest numbers of another dtype."""
        return _halves(self)[0].astype(dtype)

    def __getitem__(self, key: Any) -> Any:
        return DoubleDouble(*(half[key] for half in _halves(self)))

    def __setitem__(self, key: Any, value: Any) -> None:
        for half, given in zip(_halves(self), _halves(value), strict=True):
            half[key] = given

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name, given = ufunc.__name__, [_halves(x) for x in inputs]
        if method == "reduce" and name in _REDUCED:
            return _reduced(name, given[0], **options)
        if method != "__call__" or name not in _UFUNCS or options.get("where", True) is not True:
            raise TypeError(f"double-doubles have no {name}.{method}")
        found = _UFUNCS[name](*given)
        if name == "frexp":
            return DoubleDouble(*found[0]), found[1]
        result = DoubleDouble(*found) if isinstance(found, tuple) else found
        for out in options.get("out", ()):
            out[...] = result
            return out
        return result

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        name = function.__name__
        if name not in _FUNCTIONS:
            raise TypeError(f"double-doubles have no {name}")
        return _FUNCTIONS[name](*args, **options)


def _halves(x: Any) -> Pair:
    """The high and low halves of a number or an array."""
    if isinstance(x, DoubleDouble):
        if x._low is None:
            raise TypeError("an operation of NumPy lost the low halves of double-doubles")
        return x.view(np.ndarray), x._low
    high = np.asarray(x)
    return high, np.zeros_like(high, np.float64)


# ---- arithmetic of pairs: an infinity or a NaN has the low half 0 ----------------------------------------------------


def _sum_of(high: Any, low: Any) -> Pair:
    """high + low as a pair, for |high| above |low|."""
    low = np.where(np.isfinite(low), low, 0.0)
    whole = high + low
    rest = low - (whole - high)
    return whole, np.where(np.isfinite(rest), rest, 0.0)


def _two_sum(a: Any, b: Any) -> Pair:
    """a + b of floats, and the rounding error (Knuth)."""
    whole = a + b
    t = whole - a
    return whole, (a - (whole - t)) + (b - t)


def _add(a: Pair, b: Pair) -> Pair:
    (high, error), (low, rest) = _two_sum(a[0], b[0]), _two_sum(a[1], b[1])
    high, error = _sum_of(high, error + low)
    return _sum_of(high, error + rest)


def _negative(a: Pair) -> Pair:
    return -a[0], -a[1]


def _subtract(a: Pair, b: Pair) -> Pair:
    return _add(a, _negative(b))


def _scaled(a: Pair, exponent: Any) -> Pair:
    high = np.ldexp(a[0], exponent)
    return high, np.where(np.isfinite(high), np.ldexp(a[1], exponent), 0.0)


def _mantissa(a: Pair) -> tuple[Pair, Any]:
    """A pair as a mantissa and an exponent: products of mantissas neither overflow nor underflow."""
    high, exponent = np.frexp(np.asarray(a[0], np.float64))
    return (high, np.ldexp(a[1], -exponent)), exponent


def _times(a: Pair, b: Pair) -> Pair:
    """The product of numbers of moderate size."""
    high, error = two_product(a[0], b[0])
    return _sum_of(high, error + (a[0] * b[1] + a[1] * b[0]))


def _multiply(a: Pair, b: Pair) -> Pair:
    (a, exponent), (b, more) = _mantissa(a), _mantissa(b)
    return _scaled(_times(a, b), exponent + more)


def _divide(a: Pair, b: Pair) -> Pair:
    (a, exponent), (b, less) = _mantissa(a), _mantissa(b)
    first = a[0] / b[0]
    rest = _subtract(a, _times((first, 0.0), b))
    second = rest[0] / b[0]
    rest = _subtract(rest, _times((second, 0.0), b))
    high, low = _sum_of(first, second)
    return _scaled(_sum_of(high, low + np.where(np.isfinite(rest[0]), rest[0] / b[0], 0.0)), exponent - less)


def _sqrt(a: Pair) -> Pair:
    a, exponent = _mantissa(a)
    odd = exponent % 2
    a = _scaled(a, odd)
    root = np.sqrt(a[0])
    rest = _subtract(a, _times((root, 0.0), (root, 0.0)))
    return _scaled(_sum_of(root, rest[0] / (2 * root)), (exponent - odd) // 2)


def _less(a: Pair, b: Pair) -> Any:
    return (a[0] < b[0]) | ((a[0] == b[0]) & (a[1] < b[1]))


def _equal(a: Pair, b: Pair) -> Any:
    return (a[0] == b[0]) & (a[1] == b[1])


def _where(condition: Any, a: Pair, b: Pair) -> Pair:
    return np.where(condition, a[0], b[0]), np.where(condition, a[1], b[1])


def _maximum(a: Pair, b: Pair) -> Pair:
    return _where(np.isnan(a[0]) | _less(b, a), a, b)


def _minimum(a: Pair, b: Pair) -> Pair:
    return _where(np.isnan(a[0]) | _less(a, b), a, b)


def _absolute(a: Pair) -> Pair:
    return _where(np.signbit(a[0]), _negative(a), a)


def _copysign(a: Pair, b: Pair) -> Pair:
    return _where(np.signbit(a[0]) == np.signbit(b[0]), a, _negative(a))


# ---- exponentials and logarithms -------------------------------------------------------------------------------------


def _constant(x: Fraction) -> Pair:
    return float(x), float(x - Fraction(float(x)))


_ONE: Pair = (1.0, 0.0)
_LOG2: Pair = (0.6931471805599453, 2.3190468138462996e-17)
_TAYLOR = [_constant(Fraction(1, factorial(k))) for k in range(12, 0, -1)]
_HALVINGS = 8


def _small_expm1(r: Pair) -> Pair:
    """exp(r) − 1 for |r| up to ½: a Taylor polynomial of r/2^8, and eight times (1 + s)² − 1 = 2s + s²."""
    r = _scaled(r, -_HALVINGS)
    s = _TAYLOR[0]
    for coefficient in _TAYLOR[1:]:
        s = _add(_times(s, r), coefficient)
    s = _times(s, r)
    for _ in range(_HALVINGS):
        s = _add(_scaled(s, 1), _times(s, s))
    return s


def _exp(x: Pair) -> Pair:
    inside = np.abs(x[0]) < 745.5
    x = _where(inside, x, (np.exp(x[0]), 0.0))
    k = np.where(inside, np.rint(x[0] / _LOG2[0]), 0.0)
    r = _subtract(x, _times((k, 0.0), _LOG2))
    grown = _add(_ONE, _small_expm1(_where(inside, r, (0.0, 0.0))))
    return _where(inside, _scaled(grown, k.astype(np.int64)), x)


def _expm1(x: Pair) -> Pair:
    small = np.abs(x[0]) < 0.5
    return _where(small, _small_expm1(_where(small, x, (0.0, 0.0))), _subtract(_exp(x), _ONE))


def _log1p(u: Pair) -> Pair:
    """One step of Newton's method for expm1(y) = u, which squares the relative error of the float."""
    y = (np.log1p(u[0]), np.zeros(np.shape(u[0])))
    grown = _expm1(y)
    step = _divide(_subtract(u, grown), _add(_ONE, grown))
    step = _where(np.isfinite(step[0]) & (u[0] != 0), step, (0.0, 0.0))
    step = _subtract(step, _scaled(_times(step, step), -1))
    return _add(y, step)


def _log(x: Pair) -> Pair:
    a, exponent = _mantissa(x)
    high = a[0] > np.sqrt(0.5)
    a, exponent = _scaled(a, np.where(high, 0, 1)), exponent - ~high
    found = _add(_log1p(_subtract(a, _ONE)), _times((exponent.astype(float), 0.0), _LOG2))
    return _where((x[0] > 0) & (x[0] < np.inf), found, (np.log(x[0]), 0.0))


def _power(a: Pair, b: Pair) -> Pair:
    plain = np.power(np.asarray(a[0], float), b[0])
    usual = (a[0] > 0) & (a[0] < np.inf) & (b[0] != 0) & np.isfinite(b[0]) & (plain > 0) & (plain < np.inf)
    return _where(usual, _exp(_multiply(b, _log(a))), (plain, 0.0))


# ---- what NumPy calls ------------------------------------------------------------------------------------------------


def _of_high(function: Any) -> Callable[..., Any]:
    """A function whose result the high halves decide."""
    return lambda *pairs: function(*(pair[0] for pair in pairs))


_UFUNCS: dict[str, Callable[..., Any]] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "negative": _negative,
    "absolute": _absolute,
    "square": lambda a: _multiply(a, a),
    "sqrt": _sqrt,
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "power": _power,
    "maximum": _maximum,
    "minimum": _minimum,
    "clip": lambda a, low, high: _minimum(_maximum(a, low), high),
    "copysign": _copysign,
    "ldexp": lambda a, exponent: _scaled(a, exponent[0]),
    "frexp": _mantissa,
    "less": _less,
    "greater": lambda a, b: _less(b, a),
    "less_equal": lambda a, b: _less(a, b) | _equal(a, b),
    "greater_equal": lambda a, b: _less(b, a) | _equal(a, b),
    "equal": _equal,
    "not_equal": lambda a, b: ~_equal(a, b),
    **{f.__name__: _of_high(f) for f in (np.isnan, np.isinf, np.isfinite, np.sign, np.signbit, np.heaviside, np.rint)},
}
_REDUCED = {"add": 0.0, "maximum": -np.inf, "minimum": np.inf, "logical_and": 1.0, "logical_or": 0.0}


def _reduced(name: str, a: Pair, axis: Any = 0, keepdims: bool = False, initial: Any = None, **_: Any) -> Any:
    if name.startswith("logical"):  # a number is 0 if its high half is
        return getattr(np, name).reduce(a[0] != 0, axis=axis, keepdims=keepdims)
    high, low = (half.reshape(-1) for half in a) if axis is None else (np.moveaxis(half, axis, 0) for half in a)
    first = initial if isinstance(initial, float) else _REDUCED[name]
    total = np.full(high.shape[1:], first), np.zeros(high.shape[1:])
    for i in range(len(high)):
        total = _UFUNCS[name](total, (high[i], low[i]))
    if keepdims and axis is not None:
        total = np.expand_dims(total[0], axis), np.expand_dims(total[1], axis)
    return DoubleDouble(*total)


def _on_each(function: Any) -> Callable[..., Any]:
    """A function that moves numbers: it is called on the high halves and on the low ones."""

    def called(a: Any, *args: Any, **options: Any) -> Any:
        return DoubleDouble(*(function(half, *args, **options) for half in _halves(a)))

    return called


def _with_high(function: Any) -> Callable[..., Any]:
    """A function that the high halves answer."""
    return lambda a, *args, **options: function(_halves(a)[0], *args, **options)


def _select(conditions: Any, choices: Any, default: Any = 0.0) -> Any:
    result = _halves(default)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = _where(condition, _halves(choice), result)
    return DoubleDouble(*result)


def _put_along_axis(a: Any, indices: Any, values: Any, axis: Any) -> None:
    halves = (a, np.zeros(a.shape)) if not isinstance(a, DoubleDouble) else _halves(a)
    for half, given in zip(halves, _halves(values), strict=True):
        np.put_along_axis(half, indices, given, axis)


def _einsum(path: str, *operands: Any) -> Any:
    names, result = path.split("->")
    order = result + "".join(sorted(set(names) - set(result) - {","}))
    product: Any = 1.0
    for letters, operand in zip(names.split(","), operands, strict=True):
        turned = f"{letters}->{''.join(c for c in order if c in letters)}"
        high, low = (np.einsum(turned, half) for half in _halves(operand))
        shape = iter(high.shape)
        wide = [next(shape) if c in letters else 1 for c in order]
        product = product * DoubleDouble(high.reshape(wide), low.reshape(wide))
    for _ in order[len(result) :]:
        product = np.add.reduce(product, axis=-1)
    return product


def _minimum_of(a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True) -> Any:
    return _reduced("minimum", _halves(np.where(where, a, np.inf)), axis=axis, keepdims=keepdims, initial=initial)


def _full_like(a: Any, value: Any, **_: Any) -> Any:
    return DoubleDouble(*(np.broadcast_to(half, np.shape(a)) for half in _halves(value)))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "where": lambda condition, a, b: DoubleDouble(*_where(np.asarray(condition), _halves(a), _halves(b))),
    "select": _select,
    "einsum": _einsum,
    "put_along_axis": _put_along_axis,
    "full_like": _full_like,
    "empty_like": lambda a, *_, **__: DoubleDouble(np.zeros(np.shape(a))),
    "min": _minimum_of,
    "max": lambda a, axis=None, keepdims=False, initial=None: np.maximum.reduce(
        a, axis=axis, keepdims=keepdims, initial=initial
    ),
    "sum": lambda a, axis=None: np.add.reduce(a, axis=axis),
    "all": lambda a, axis=None: np.all(_halves(a)[0], axis=axis),
    "any": lambda a, axis=None: np.any(_halves(a)[0], axis=axis),
    **{f.__name__: _on_each(f) for f in (np.take_along_axis, np.expand_dims, np.broadcast_to, np.repeat, np.diagonal)},
    **{f.__name__: _with_high(f) for f in (np.argmax, np.isneginf, np.shape, np.trace, np.linalg.eigvalsh)},
}
