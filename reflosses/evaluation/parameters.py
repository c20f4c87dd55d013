"""Checks of the parameters of a loss. Each returns the value in one canonical form, or raises an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any

import numpy as np

from reflosses.evaluation.domain import REAL, Domain, Floats, as_array

Check = Callable[[object, Any], Any]

_BITS = 14000  # of an integer parameter: 4215 digits


def parameter(
    default: Any, check: Check, *, broadcast: int | None = None, per_class: bool = False, kw_only: bool = False
) -> Any:
    """A field of a loss, checked when the loss is made.

    broadcast: the parameter broadcasts against the losses, and the share of one loss has that many axes.
    per_class: it has one entry for each class.
    """
    return field(
        default=default, kw_only=kw_only, metadata={"check": check, "broadcast": broadcast, "per_class": per_class}
    )


def number(domain: Domain) -> Check:
    """One finite number of that domain, as a float."""

    def check(what: object, given: Any) -> float:
        a = as_array(given, what)
        if a.ndim:
            raise ValueError(f"{what} must be one number, got shape {a.shape}")
        _inside(what, a, domain)
        return float(a) + 0.0

    return check


def array(domain: Domain, ndim: int | None = None, nan: bool = False) -> Check:
    """A read-only array of numbers of that domain, with `ndim` axes if that is given. Without axes it is a float."""

    def check(what: object, given: Any) -> Floats | float:
        a = as_array(given, what)
        if ndim is not None and a.ndim != ndim:
            raise ValueError(f"{what} must have {ndim} axis, got shape {a.shape}")
        _inside(what, a, domain, nan)
        if a.ndim == 0:
            return float(a) + 0.0
        frozen = a + 0.0  # a copy, without −0: equal parameters print and hash alike
        frozen.flags.writeable = False
        return frozen

    return check


@np.errstate(all="ignore")
def semidefinite(what: object, given: Any) -> Floats:
    """A symmetric matrix, or a stack of them, whose eigenvalues are not negative beyond rounding."""
    a: Floats = array(REAL)(what, given)
    if np.ndim(a) < 2 or a.shape[-1] != a.shape[-2] or not a.size:
        raise ValueError(f"{what} must be square matrices, got shape {np.shape(a)}")
    if not np.isfinite(a).all():
        raise ValueError(f"{what}{first_index(~np.isfinite(a))} is not finite")
    skew = a != np.swapaxes(a, -1, -2)
    if skew.any():
        raise ValueError(f"{what} must be symmetric, differs from its transpose at {first_index(skew)}")
    exponent = np.frexp(np.abs(a).max())[1]
    eigenvalues = np.linalg.eigvalsh(np.ldexp(a, -exponent) if abs(exponent) > 900 else a)
    low, high = eigenvalues[..., :1].min(initial=0.0), eigenvalues[..., -1:].max(initial=0.0)
    negative = eigenvalues[..., 0] < -8 * a.shape[-1] * np.finfo(float).eps * eigenvalues[..., -1]
    if negative.any():
        low, high = (np.ldexp(x, exponent) if abs(exponent) > 900 else x for x in (low, high))
        raise ValueError(f"{what} must be positive semi-definite, has eigenvalues from {low:g} to {high:g}")
    return a


def integer(what: object, given: Any) -> int:
    """One integer, such as an axis or an index. Python prints no integer of more than 4300 digits."""
    if isinstance(given, (bool, np.bool_)) or not isinstance(given, (int, np.integer)):
        raise TypeError(f"{what} must be an integer, got {printed(given)}")
    if int(given).bit_length() > _BITS:
        raise ValueError(f"{what} is an integer of more than {_BITS} bits")
    return int(given)


def whole(what: object, given: Any, low: int, high: float = np.inf) -> int:
    """One integer from `low` to `high`."""
    n = integer(what, given)
    if not low <= n <= high:
        raise ValueError(f"{what} is {n}, not {f'from {low} to {high}' if high < np.inf else f'at least {low}'}")
    return n


def axes(what: object, given: Any) -> int | tuple[int, ...]:
    """One axis or several."""
    return tuple(integer(what, a) for a in given) if isinstance(given, (tuple, list)) else integer(what, given)


def flag(what: object, given: Any) -> bool:
    """True or False."""
    if not isinstance(given, (bool, np.bool_)):
        raise TypeError(f"{what} must be True or False, got {printed(given)}")
    return bool(given)


def choice(*names: str, otherwise: Check | None = None) -> Check:
    """One of these names, or another value that `otherwise` accepts."""

    def check(what: object, given: Any) -> Any:
        if isinstance(given, str) and given in names:
            return str(given)
        if otherwise is not None and not isinstance(given, str):
            return otherwise(what, given)
        raise ValueError(f"{what} must be one of {', '.join(names)}, got {printed(given)}")

    return check


def optional(check: Check) -> Check:
    """None, or what `check` accepts."""
    return lambda what, given: None if given is None else check(what, given)


def printed(value: Any) -> str:
    """The repr of a value; arrays as lists. An object that cannot be printed is named by its type."""
    try:
        return repr(value.tolist() if isinstance(value, np.ndarray) else value)
    except Exception:
        return f"<{type(value).__name__}>"


def first_index(bad: np.ndarray[Any, Any]) -> str:
    """The index of the first True, such as "[2, 0]"."""
    index = np.argwhere(bad)[0]
    return f"[{', '.join(map(str, index))}]" if index.size else ""


def shown(value: Any) -> str:
    """A number in as few digits as distinguish it from its neighbours."""
    kind = np.asarray(value).dtype
    if kind.kind in "iu" or kind.itemsize > 8:
        return str(value)
    value = float(value)
    short = f"{value:g}"
    return short if float(short) == value or np.isnan(value) else repr(value).removesuffix(".0")


def _inside(what: object, a: Floats, domain: Domain, nan: bool = False) -> None:
    bad = domain.outside(a) | (np.isnan(a) & (not nan))
    if bad.any():
        raise ValueError(f"{what}{first_index(bad)} is {shown(a[bad][0])}, not {domain}")
