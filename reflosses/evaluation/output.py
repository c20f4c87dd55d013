"""The array `out` that a caller hands over for a gradient: is there a place for every entry, and is it free?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reflosses.evaluation.domain import Floats

_PLAIN = (np.ndarray, np.memmap)  # a subclass may refuse to be written to, or change what is written
_EFFORT = 10**5  # tries of NumPy to find a byte that two arrays share; ordinary views need a few
_PLACES = 2**19  # entries whose places in memory are compared one by one


def fillable(loss: object, out: Any, shape: tuple[int, ...], read: Mapping[str, NDArray[Any] | None]) -> Floats:
    """`out` as a plain array, if it takes a gradient of that shape; read: the arguments, none of which it may touch.

    TypeError or ValueError if it does not. What cannot be decided with bounded effort is refused, too.
    """
    if type(out) not in _PLAIN or out.dtype != np.float64:
        got = out.dtype if type(out) in _PLAIN else type(out).__name__
        raise TypeError(f"{loss}: out must be an array of float64, got {got}")
    if out.shape != shape:
        raise ValueError(f"{loss}: out has shape {out.shape}, the gradient {shape}")
    if not out.flags.writeable:
        raise ValueError(f"{loss}: out is read-only")
    apart = _apart(out)
    if not apart:
        may = "may overlap (too many to compare, with these strides)" if apart is None else "overlap"
        raise ValueError(f"{loss}: out has entries that {may} in memory")
    for name, a in read.items():
        if a is not None and np.may_share_memory(a, out) and (shares := _share(a, out)):
            raise ValueError(f"{loss}: out {shares} memory with {name}, which is still read while it is written")
    plain: Floats = np.asarray(out)
    return plain


def _share(a: NDArray[Any], b: NDArray[Any]) -> str:
    """Whether two arrays have a byte in common, as a word for the error; "" if not."""
    try:
        return "shares" if np.shares_memory(a, b, max_work=_EFFORT) else ""  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return "may share (it is too hard to decide, with these strides)"


def _apart(a: NDArray[Any]) -> bool | None:
    """Whether no two entries share a byte; None if that is not decided."""
    if a.flags.forc:
        return True
    axes = sorted((abs(stride), n) for stride, n in zip(a.strides, a.shape, strict=True) if n > 1)
    extent, nested = a.itemsize, True
    for stride, n in axes:
        nested &= stride >= extent  # one step is longer than all shorter axes together
        extent += stride * (n - 1)
    if nested or not a.size:
        return True
    if axes[0][0] < a.itemsize or a.nbytes > extent:
        return False
    if a.size > _PLACES:
        return None
    places = np.zeros(1, np.int64)
    for stride, n in axes:
        places = np.add.outer(places, stride * np.arange(n)).reshape(-1)
    places.sort()
    return bool((np.diff(places) >= a.itemsize).all())
