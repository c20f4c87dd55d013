"""Calls with arguments of every kind: right ones, wrong ones, hostile ones. Which manners does the library keep?

    python tests/measuring/fuzz.py [CALLS] [SEED]
    python tests/measuring/fuzz.py --call NUMBER [SEED]

Each call has a number, which alone decides it. A call may answer, or raise TypeError or ValueError whose message begins
with the loss (or the function) and names an argument. No floating-point signal, no warning and no other exception
escapes, no input is changed, and a large call holds at most 32 MiB beyond its results.
"""

import argparse
import array
import re
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

import reflosses as rl
from reflosses import gradcheck, overlap
from reflosses.catalogue import losses
from reflosses.comparison.expected import Scaled
from reflosses.evaluation.domain import NON_NEGATIVE, Classes, Interval, Labels
from reflosses.evaluation.loss import Loss

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

METHODS = [m for m in ("value", "grad", "value_and_grad", "subgradient", "curvature") if hasattr(Loss, m)]
LARGE_EVERY = 4000  # of so many calls one is large, and its memory is measured
MOST = 32 * 2**20  # bytes
FLOATS = ["f2", "f4", "f8", "g"]
INTEGERS = ["?", "i1", "u1", "i2", "i4", "i8", "u8"]
NARROW = [] if ml_dtypes is None else [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.int4]


@dataclass
class Given:
    """An argument, how to write it down, and the memory that no call may change."""

    value: Any
    text: str
    memory: Any = None  # an array whose bytes stay as they are
    before: bytes = b""

    def __post_init__(self) -> None:
        if self.memory is None and type(self.value) is np.ndarray and not self.value.dtype.hasobject:
            self.memory = self.value
        if self.memory is not None:
            self.before = self.memory.tobytes()

    def changed(self) -> bool:
        return self.memory is not None and self.memory.tobytes() != self.before


@dataclass
class Call:
    """A call, the beginnings that its errors may have, and the names of which they must name one."""

    run: Callable[[], Any]
    text: str
    begins: tuple[str, ...]
    names: tuple[str, ...]
    given: list[Given] = field(default_factory=list)
    answers: Callable[[Any], str] = lambda result: ""  # what is wrong with an answer
    large: bool = False


# ---- hostile objects -------------------------------------------------------------------------------------------------


class Raises:
    def __init__(self, error: type[Exception] = RuntimeError) -> None:
        self.error = error

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self.error("no array")

    def __repr__(self) -> str:
        raise self.error("no repr")

    def __len__(self) -> int:
        raise self.error("no length")


class Returns:
    def __init__(self, what: Any) -> None:
        self.what = what

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        return self.what


class Sub(np.ndarray):
    pass


class Unwilling(np.ndarray):
    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no ufunc")


def _nested() -> list[Any]:
    a: list[Any] = []
    a.append(a)
    return a


HOSTILE: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "'x'": lambda: "x",
    "b'x'": lambda: b"x",
    "''": lambda: "",
    "True": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "2.5": lambda: 2.5,
    "-0.0": lambda: -0.0,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "5e-324": lambda: 5e-324,
    "1e308": lambda: 1e308,
    "10**30": lambda: 10**30,
    "-10**400": lambda: -(10**400),
    "10**5000": lambda: 10**5000,
    "1j": lambda: 1j,
    "Fraction(1, 3)": lambda: Fraction(1, 3),
    "Decimal('0.5')": lambda: Decimal("0.5"),
    "[]": list,
    "()": lambda: (),
    "{}": dict,
    "{1, 2}": lambda: {1, 2},
    "[1, [2]]": lambda: [1, [2]],
    "[None, 1.0]": lambda: [None, 1.0],
    "['a', 0.5]": lambda: ["a", 0.5],
    "[10**400]": lambda: [10**400],
    "[True, 0.5]": lambda: [True, 0.5],
    "range(3)": lambda: range(3),
    "slice(None)": lambda: slice(None),
    "object()": object,
    "int": lambda: int,
    "len": lambda: len,
    "lambda: 0": lambda: lambda: 0,
    "np.float16(0.5)": lambda: np.float16(0.5),
    "np.int8(1)": lambda: np.int8(1),
    "np.bool_(True)": lambda: np.bool_(True),
    "np.longdouble(3) * 2**5000": lambda: np.ldexp(np.longdouble(3), 5000),
    "np.longdouble(3) * 2**-5000": lambda: np.ldexp(np.longdouble(3), -5000),
    "np.complex64(1)": lambda: np.complex64(1),
    "np.datetime64(1, 's')": lambda: np.datetime64(1, "s"),
    "np.ma.masked_array([0.5], [True])": lambda: np.ma.masked_array([0.5], [True]),
    "np.zeros(2, 'V8')": lambda: np.zeros(2, "V8"),
    "np.zeros(2, [('x', 'f8')])": lambda: np.zeros(2, [("x", "f8")]),
    "np.array([0.5], object)": lambda: np.array([0.5], object),
    "np.array(3)": lambda: np.array(3),
    "np.zeros((2, 0))": lambda: np.zeros((2, 0)),
    "np.eye(2)": lambda: np.eye(2),
    "np.array(['a'])": lambda: np.array(["a"]),
    "array('d', [0.5, 1.0])": lambda: array.array("d", [0.5, 1.0]),
    "memoryview(b'abc')": lambda: memoryview(b"abc"),
    "Raises()": Raises,
    "Raises(KeyError)": lambda: Raises(KeyError),
    "Raises(OverflowError)": lambda: Raises(OverflowError),
    "Returns(3)": lambda: Returns(3),
    "Returns(np.array(['a']))": lambda: Returns(np.array(["a"])),
    "Returns(np.zeros(2))": lambda: Returns(np.zeros(2)),
    "Returns(np.eye(2).view(Unwilling))": lambda: Returns(np.eye(2).view(Unwilling)),
    "nested": _nested,
    "Huber()": lambda: rl.Huber(),
    "Huber": lambda: rl.Huber,
}
_HOSTILE = list(HOSTILE)


class Maker:
    """Makes the call of one number."""

    def __init__(self, number: int, seed: int) -> None:
        self.rng = np.random.default_rng((seed, number))
        self.number = number

    # ---- chance ------------------------------------------------------------------------------------------------------

    def one(self, of: Any) -> Any:
        return of[int(self.rng.integers(len(of)))]

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def hostile(self) -> Given:
        text = self.one(_HOSTILE)
        return Given(HOSTILE[text](), text)

    # ---- arrays ------------------------------------------------------------------------------------------------------

    def numbers(self, shape: tuple[int, ...], domain: Any, classes: int) -> Any:
        """Members of a domain; now and then one that is not, or an extreme one."""
        rng = self.rng
        if isinstance(domain, Labels):
            a = rng.choice(domain.values, shape)
        elif isinstance(domain, Classes):
            a = rng.integers(0, max(1, classes), shape).astype(float)
            if domain.ignore_index is not None and self.chance(0.5) and abs(domain.ignore_index) < 2**62:
                a = np.where(rng.random(shape) < 0.3, float(domain.ignore_index), a)
        elif domain is None or (isinstance(domain, Interval) and domain.high == 1.0):
            a = rng.random(shape)
            if self.chance(0.3):
                a = np.rint(a)
        else:
            a = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)
            if isinstance(domain, Interval) and domain.low >= 0:
                a = np.abs(a) * (rng.random(shape) < self.one([0.5, 1.0]))
        a = np.array(a, float)
        if a.size and self.chance(0.25):
            odd = [np.nan, np.inf, -np.inf, -0.0, 5e-324, 1e-310, 1e308, -1e308, 1.0 + 2**-52, -3.0, 1.5, 256, 2.0**53]
            a.reshape(-1)[int(rng.integers(a.size))] = self.one(odd)
        return a

    def stored(self, a: Any, real: bool = True) -> Given:
        """Numbers in some dtype and some place of memory."""
        rng = self.rng
        draw = rng.random()
        dtype: Any = "f8" if draw < 0.4 else self.one(FLOATS + INTEGERS + NARROW + [">f8", ">i4"])
        if not real and draw > 0.96:
            dtype = self.one(["c16", "O", "U8", "S8", "M8[s]", "m8[s]"])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            a = np.asarray(a).astype(dtype)
            if dtype == "g" and a.size and self.chance(0.3):  # beyond the other formats
                a.reshape(-1)[0] = np.ldexp(np.longdouble(self.one([3, -3])), self.one([5000, -5000]))
        text = f"np.array({a.tolist()!r}, {np.dtype(dtype).str if isinstance(dtype, str) else dtype.__name__!r})"
        way = int(rng.integers(16))
        if way == 0 and a.ndim > 1:
            return Given(np.asfortranarray(a), f"np.asfortranarray({text})")
        if way == 1 and a.ndim:
            wide = np.repeat(a, 2, axis=-1)
            return Given(wide[..., ::2], f"np.repeat({text}, 2, -1)[..., ::2]", wide)
        if way == 2 and a.ndim:
            back = a[::-1].copy()
            return Given(back[::-1], f"{text}[::-1].copy()[::-1]", back)
        if way == 3 and a.dtype.itemsize < 64 and not a.dtype.hasobject:
            packed = np.zeros(a.shape, [("flag", "i1"), ("x", a.dtype)])
            packed["x"] = a
            return Given(packed["x"], f"packed({text})")
        if way == 4:
            a.flags.writeable = False
            return Given(a, f"read_only({text})")
        if way == 5 and a.size:
            same = a.reshape(-1)[:1].copy()
            return Given(np.broadcast_to(same[0], a.shape), f"np.broadcast_to({same[0]!r}, {a.shape})", same)
        if way == 6:
            return Given(a.tolist(), repr(a.tolist()))
        if way == 7 and a.ndim:
            return Given(a.view(Sub), f"{text}.view(Sub)", a)
        if way == 8 and a.ndim == 2:
            return Given(a.view(np.matrix), f"{text}.view(np.matrix)", a)
        if way == 9 and not real:
            return Given(np.ma.masked_array(a), f"np.ma.masked_array({text})", a)
        if way == 10 and a.ndim > 1:
            turned = np.ascontiguousarray(a.T)
            return Given(turned.T, f"np.ascontiguousarray({text}.T).T", turned)
        if way == 11:
            return Given(Returns(a), f"Returns({text})", a)
        return Given(a, text)

    def array(self, shape: tuple[int, ...], domain: Any, classes: int, broken: float) -> Given:
        if self.chance(broken):
            return self.hostile()
        return self.stored(self.numbers(shape, domain, classes), real=not self.chance(broken))

    def shape(self) -> tuple[int, ...]:
        if self.chance(0.01):
            return self.one([(2, 300), (1, 2060)])  # classes that bfloat16 or float16 does not tell apart
        return self.one(
            [(), (1,), (3,), (4,), (5,), (3, 4), (2, 3), (4, 3), (2, 3, 4), (4, 3, 2), (2, 1), (1, 3), (2, 2, 2, 3)]
            + ([(0,), (0, 3), (3, 0), (2, 0, 3)] if self.chance(0.3) else [])
        )

    def other_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """One that does not fit, though some would broadcast."""
        return self.one([(*shape, 1), (1, *shape), shape[1:], shape[:-1], shape[::-1], (1,) * len(shape), self.shape()])

    # ---- parameters --------------------------------------------------------------------------------------------------

    def parameter(self, name: str, classes: int) -> Given:
        rng = self.rng
        size = float(10.0 ** rng.uniform(-6, 6)) if self.chance(0.8) else float(10.0 ** rng.uniform(-300, 300))
        if name == "reduction":
            return self.written(self.one(["mean", "weighted_mean", "sum", "none"]))
        if name == "information":
            return self.information()
        if name == "class_weight":
            return self.stored(self.numbers((classes,), NON_NEGATIVE, 0))
        if name == "axis":
            return self.written(self.one([-1, -1, 0, 1, -2, 2, (0, 1), (0, -1), [1], None]))
        if name == "ignore_index":
            return self.written(self.one([None, -100, 255, 0, 257, 2049, 2**24 + 1, 2**53 + 1, 10**400, -(10**30)]))
        if name in ("alpha", "label_smoothing"):
            return self.written(self.one([None, 0.0, 1.0, float(rng.random()), np.float32(0.25)]))
        if name == "clamp":
            return self.written(self.one([None, 1e-7, 0.25, float(rng.random()) / 2, 1e-300]))
        if name == "per_sample":
            return self.written(self.one([True, False, np.True_]))
        if name == "weight_grad":
            return self.written(self.one(["stop", "full"]))
        if name == "weight":
            return self.written(self.one(["sudre", size, 0]))
        if name == "pos_weight":
            return self.stored(self.numbers(self.one([(), (), (3,), (4,), (2, 1)]), NON_NEGATIVE, 0))
        return self.written(self.one([size, size, 0, 1, 2, np.float32(1.5), np.int16(3)]))

    def written(self, value: Any) -> Given:
        return Given(value, repr(value))

    def information(self) -> Given:
        d = self.one([1, 2, 3, 4])
        if self.chance(0.3):
            return self.written(None)
        half = self.rng.normal(size=(*self.one([(), (), (2,), (3,), (2, 1)]), d, d))
        a, far = half @ np.swapaxes(half, -1, -2), 3 if self.chance(0.9) else 300
        a = (a + np.swapaxes(a, -1, -2)) * 10.0 ** self.rng.integers(-far, far)
        if self.chance(0.2):
            a[..., 0, :] = a[..., :, 0] = 0
        return Given(a, f"np.array({a.tolist()!r})")

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(self) -> Call:
        if self.number % LARGE_EVERY == LARGE_EVERY - 1:
            return self.large_call()
        draw = self.rng.random()
        return self.function_call() if draw < 0.2 else self.construction() if draw < 0.35 else self.loss_call()

    def construction(self) -> Call:
        """A loss with one parameter of any kind."""
        name = self.one(list(CLASSES))
        cls = CLASSES[name]
        known = [f.name for f in fields(cls)]
        given = {k: self.parameter(k, 3) for k in known if self.chance(0.3)}
        wrong = self.one(known) if self.chance(0.97) else "parameter"
        given[wrong] = self.hostile() if self.chance(0.8) else self.parameter(self.one(PARAMETERS), 3)
        values = {k: g.value for k, g in given.items()}

        def check(loss: Any) -> str:
            return "" if repr(loss) and loss == loss and hash(loss) == hash(loss) else "it is not equal to itself"

        text = f"R.{name}({_written(given)})"
        begins = (f"{name}(", f"{name}.__init__()")
        return Call(lambda: cls(**values), text, begins, (*known, "parameter"), list(given.values()), check)

    def loss(self, classes: int) -> tuple[Loss, str]:
        """A loss with parameters that fit each other, if chance allows; the defaults if not."""
        name = self.one(list(CLASSES))
        cls = CLASSES[name]
        given = {f.name: self.parameter(f.name, classes) for f in fields(cls) if self.chance(0.4)}
        try:
            with np.errstate(all="ignore"):
                loss = cls(**{k: g.value for k, g in given.items()})
        except (TypeError, ValueError):
            return cls(), f"R.{name}()"
        return loss, f"R.{name}({_written(given)})"

    def problem(self) -> tuple[Loss, str, dict[str, Given], tuple[int, ...]]:
        """A loss, how it was made, arguments of its methods, and the shape of its gradient if nothing is wrong."""
        shape = self.shape()
        loss, made = self.loss(self.one(shape) if shape else 1)
        information = getattr(loss, "information", None)
        if information is not None and self.chance(0.9):
            shape = (*shape[:-1], information.shape[-1])
        try:
            layout = loss.layout.bind(shape)
            value_shape, classes = layout.value_shape, (layout.unit_shape or (1,))[0]
        except ValueError:
            value_shape, classes = shape, 3
        broken = self.one([0.0, 0.0, 0.02, 0.1])
        domain: Any = loss.domain.y
        y_shape = shape
        if isinstance(domain, Classes):
            if domain.rows is not None and self.chance(0.3):
                domain = domain.rows
            else:
                y_shape = value_shape
        if self.chance(broken):
            y_shape = self.other_shape(y_shape)
        given = {"y": self.array(y_shape, domain, classes, broken)}
        given["yhat"] = self.array(shape, loss.domain.yhat, classes, broken)
        if self.chance(0.35):
            wide = self.other_shape(value_shape) if self.chance(broken) else value_shape
            given["weight"] = self.array(wide, NON_NEGATIVE, 0, broken)
        return loss, made, given, shape

    def loss_call(self) -> Call:
        loss, made, given, shape = self.problem()
        method = self.one(METHODS)
        if method in ("grad", "value_and_grad") and self.chance(0.4):
            given["out"] = self.out(shape, given)
        values = {k: g.value for k, g in given.items()}
        out = values.get("out")

        rounded = isinstance(loss.domain.y, Classes) and "f16" in given["y"].text  # a label that float64 would change
        rounded |= (getattr(loss, "ignore_index", None) or 0) >= 2**53
        again = self.chance(1.0 if "out" in given else 0.3) and not rounded

        def check(result: Any) -> str:
            of = {"value": (), "value_and_grad": result[1:] if type(result) is tuple else (), "subgradient": result}
            for a in of.get(method, (result,)):
                if out is not None and a is not out:
                    return "it does not return out"
                if out is None and (type(a) is not np.ndarray or a.dtype != np.float64):
                    return f"a gradient is a {type(a).__name__}"
                if a.shape != np.shape(np.asarray(values["yhat"])):
                    return f"a gradient has shape {a.shape}"
                inputs = [g.memory for g in given.values() if g.memory is not None]
                if out is None and any(np.may_share_memory(a, memory) for memory in inputs):
                    return "a gradient shares memory with an input"
            if again:
                with np.errstate(all="ignore"):
                    plain = {k: np.array(np.asarray(v), np.float64) for k, v in values.items() if k != "out"}
                other = getattr(loss, method)(**plain)
                pairs = zip(result, other, strict=True) if type(result) is tuple else [(result, other)]
                if not all(np.array_equal(a, b, equal_nan=True) for a, b in pairs):
                    return "another result for plain arrays"
            return ""

        names = (*ARGUMENTS, *(f.name for f in fields(loss)))
        text = f"{made}.{method}({_written(given)})"
        return Call(lambda: getattr(loss, method)(**values), text, (f"{loss!r}: ",), names, [*given.values()], check)

    def out(self, shape: tuple[int, ...], given: dict[str, Given]) -> Given:
        """An array for the gradient, good or bad; what lies between its entries must not be written to."""
        size = int(np.prod(shape))
        way = int(self.rng.integers(22))
        text = f"out_{way}"
        if way < 5:
            a: Any = np.empty(shape, order="F" if way < 2 else "C")
        elif way == 5:
            a = np.zeros((*shape, 2))[..., 1]
        elif way == 6:
            a = np.zeros(shape, [("flag", "i1"), ("x", "f8")])["x"]
        elif way == 7:
            a = np.zeros(shape).T.copy().T[(slice(None, None, -1),) * len(shape)]
        elif way == 8:
            a = np.zeros(shape, self.one(["f4", ">f8", "g", "i8", "c16", "O"]))
        elif way == 9:
            a = np.zeros(self.other_shape(shape))
        elif way == 10:
            a = np.zeros(shape)
            a.flags.writeable = False
        elif way == 11:
            a = np.zeros(shape).view(self.one([Sub, Unwilling, np.recarray]))
        elif way == 12:
            a = np.zeros(shape).view(np.matrix) if len(shape) == 2 else np.ma.masked_array(np.zeros(shape))
        elif way == 13:
            a = as_strided(np.zeros(1), shape, (0,) * len(shape))
        elif way == 14:
            steps = 8 * self.rng.integers(1, 9, len(shape))
            a = as_strided(np.zeros(8 * size + 8), shape, tuple(map(int, steps)))
        elif way == 15 and type(given["yhat"].value) is np.ndarray:
            a = given["yhat"].value
        elif way == 16 and "weight" in given:
            a = given["weight"].value
        elif way == 17:
            both = np.zeros((*shape, 2))
            yhat = given["yhat"].value
            if type(yhat) is np.ndarray and yhat.shape == shape and yhat.dtype == np.float64:
                both[..., 0] = yhat
                given["yhat"] = Given(both[..., 0], f"a view beside out of {given['yhat'].text}")
            a = both[..., 1]
        elif way == 18:
            wrong = self.hostile()
            return Given(wrong.value, wrong.text, np.zeros(0))
        elif way == 19:
            a = np.float64(0.5)
        elif way == 20:
            a = np.memmap.__new__(np.memmap, "/dev/zero", np.float64, "r", shape=(1,)) if self.chance(0.01) else [0.5]
        else:
            a = np.zeros(shape)
        return Given(a, text, np.zeros(0))

    def function_call(self) -> Call:
        """A public function."""
        way = int(self.rng.integers(14))
        shape, broken = self.shape(), self.one([0.05, 0.3])
        if way == 0:
            z = self.array(shape, None, 0, broken)
            axis = self.hostile() if self.chance(0.3) else self.written(self.one([-1, 0, 1, 2, -3]))
            return self._call("log_softmax", rl.log_softmax, {"z": z, "axis": axis})
        if way == 1:
            total = self.array(shape, NON_NEGATIVE, 0, broken)
            part = self.array(self.other_shape(shape) if self.chance(0.3) else shape, None, 0, broken)
            return self._call("sensitivity", overlap.sensitivity, {"intersection": part, "total": total})
        if way in (2, 3):
            n = self.one([1, 2, 3, 3, 5, 300])
            y, yhat = (self.array(shape, Classes(), n, broken) for _ in range(2))
            if self.chance(broken):
                yhat = self.array(self.other_shape(shape), Classes(), n, broken)
            if way == 3:
                return self._call("pixel_accuracy", overlap.pixel_accuracy, {"y": y, "yhat": yhat})
            count = self.hostile() if self.chance(broken) else self.written(n)
            name = self.one(["hard_dice", "hard_iou"])
            return self._call(name, getattr(overlap, name), {"y": y, "yhat": yhat, "num_classes": count})
        if way == 4:
            n = self.hostile() if self.chance(0.8) else self.written(self.one([1, 2, 10**9]))
            return self._call("set_num_threads", rl.set_num_threads, {"n": n})
        if way == 5:
            name = self.hostile() if self.chance(0.3) else self.written(self.one(FUNCTIONS))
            key = self.one(["beta", "delta", "reduction", "weight", "gamma", "parameter", "label_smoothing", "margin"])
            more = {key: self.hostile()} if self.chance(0.8) else {}
            begins = ("as_: ", *(f"{f} " for f in FUNCTIONS))
            return self._call("as_", rl.as_, {"name": name, **more}, begins, ("name", key))
        if way in (6, 7):
            function, key = self.one([(rl.check, k) for k in OPTIONS] + [(rl.diagnose, k) for k in OPTIONS[:6]])
            given = {"candidate": self.written(abs), "loss": self.written(rl.Huber())}
            given[key] = (
                Given(Raises(), "Raises()") if self.chance(0.2) else self.written(self.one([-1.5, 1j, "zz", {}]))
            )
            if (key, given[key].text) in {("name", "'zz'"), ("regimes", "{}")}:  # right
                given[key] = self.written(-1.5)
            return self._call(function.__name__, function, given)
        if way == 8:
            factor = self.hostile() if self.chance(0.5) else self.written(0.5)
            loss = self.hostile() if self.chance(0.5) else self.written(rl.Huber())
            return self._call("Scaled", Scaled, {"factor": factor, "loss": loss})
        if way in (9, 10):
            cauchy = rl.Cauchy(float(10.0 ** self.rng.uniform(-6, 6)))
            name = self.one(["rho", "weight", "rho_second", "scipy_rho"])
            s = {"z" if name == "scipy_rho" else "s": self.array(shape, NON_NEGATIVE, 0, broken)}
            return self._call(name, getattr(cauchy, name), s, (f"{cauchy!r}: {name}: ",), ("s",))
        loss, made, arguments, shape = self.problem()
        if np.prod(shape) > 6 or loss.reads_all_predictions:  # a proof takes 0.1 ms a number
            loss, made = rl.Huber(), "R.Huber()"
            arguments = {k: self.array((2,), loss.domain[0], 0, 0.1) for k in ("y", "yhat")}
        target = self.hostile() if self.chance(0.2) else Given(loss, made)
        checks = [(n, getattr(gradcheck, n)) for n in ("gradcheck", "reductioncheck", "bracketcheck")]
        name, function = self.one([("certify", rl.certify), *checks])
        given = {"loss": target, **arguments}
        if name != "certify" and self.chance(0.1):
            given["candidate"] = self.hostile()
        own = target.value if isinstance(target.value, Loss) else loss
        begins = (f"{name}: ", repr(own).partition("reduction=")[0], "Huber(")  # Huber may be the candidate
        return self._call(name, function, given, begins, (*ARGUMENTS, *given, "value", "derivative", *PARAMETERS))

    def _call(self, name: str, function: Any, given: dict[str, Given], begins: Any = None, names: Any = None) -> Call:
        values, names = {k: g.value for k, g in given.items()}, names or tuple(given)
        text = f"{name}({_written(given)})"
        return Call(lambda: function(**values), text, begins or (f"{name}: ",), names, list(given.values()))

    def large_call(self) -> Call:
        """2^20 numbers; the memory beyond inputs and results is measured."""
        rng = self.rng
        name = self.one(list(CLASSES))
        cls = CLASSES[name]
        loss = cls(**self.one(cls.examples), reduction=self.one(["mean", "sum", "none"]))
        classes = len(w) if (w := getattr(loss, "class_weight", None)) is not None else int(rng.integers(2, 40))
        d = classes if (m := getattr(loss, "information", None)) is None else len(m)
        if m is not None and self.chance(0.5):
            d = int(rng.integers(20, 200))
            half = rng.normal(size=(d, d))
            loss = rl.Cauchy(0.7, half @ half.T + np.eye(d), reduction=loss.reduction)
        shape = (2**20 // (d * 8), d, 8) if m is None else (2**20 // d, d)
        try:
            classes = loss.layout.bind(shape).unit_shape[:1]
        except ValueError:
            classes = (0,)
        if m is None and (
            classes == (0,) or (loss.sums and classes > (1000,)) or (w is not None and classes != w.shape)
        ):
            loss = cls(reduction=loss.reduction)  # thousands of overlaps in one loss take minutes
        layout = loss.layout.bind(shape)
        dtype = self.one(["f8", "f4", "f2", "g"])
        yhat = rng.random(shape).astype(dtype)
        y: Any = np.zeros(layout.value_shape, "i1") if isinstance(loss.domain.y, Classes) else np.ones(shape, dtype)
        if m is not None and self.chance(0.5):
            yhat[: len(yhat) // 2, 0] = np.inf
        weight = rng.integers(0, 2, layout.value_shape).astype("f4") if self.chance(0.5) and layout.units > 1 else None
        method = self.one(METHODS)
        text = f"{loss!r}.{method} of shape {shape}, {dtype}, weight {weight is not None}"
        call = lambda: getattr(loss, method)(y, yhat, weight=weight)  # noqa: E731
        return Call(call, text, (f"{loss!r}: ",), ARGUMENTS, large=True)


def _written(given: dict[str, Given]) -> str:
    return ", ".join(f"{k}={g.text}" for k, g in given.items())


CLASSES = losses()
PARAMETERS = sorted({f.name for cls in CLASSES.values() for f in fields(cls)})
ARGUMENTS = ("y", "yhat", "weight", "out")
FUNCTIONS = ["torch.smooth_l1_loss", "torch.huber_loss", "optax.losses.huber_loss", "scipy.special.huber"]
FUNCTIONS += ["sklearn.log_loss", "keras.losses.Huber", "torch.cross_entropy", "no.function"]
OPTIONS = ["candidate", "loss", "dtype", "grad", "framework", "targets"]  # of diagnose; check has all
OPTIONS += ["regimes", "seed", "inputs", "unit", "script", "tick", "name", "diagnose"]


# ---- judging ---------------------------------------------------------------------------------------------------------


def judged(call: Call) -> tuple[str, str]:
    """What came of a call ("answered" or the name of an error), and what is wrong with it ("" if nothing)."""
    problem = ""
    try:
        with warnings.catch_warnings(), np.errstate(all="raise"):
            warnings.simplefilter("error")
            if call.large:
                tracemalloc.start()
            result = call.run()
            if call.large:
                peak = tracemalloc.get_traced_memory()[1] - sum(a.nbytes for a in _arrays(result))
                problem = f"holds {peak / 2**20:.1f} MiB beyond its results" if peak > MOST else ""
            problem = problem or call.answers(result)
            outcome = "answered"
    except (TypeError, ValueError) as error:
        outcome = type(error).__name__
        if outcome not in ("TypeError", "ValueError", "CannotCertifyError"):
            problem = f"raises {outcome}"
        else:
            problem = _message(str(error), call)
    except Exception as error:
        outcome = type(error).__name__
        problem = f"raises {outcome}: {str(error)[:80]}"
    finally:
        if call.large:
            tracemalloc.stop()
    if any(g.changed() for g in call.given):
        problem = "an input is changed"
    return outcome, problem


def _arrays(result: Any) -> list[Any]:
    return [a for a in (result if isinstance(result, tuple) else [result]) if isinstance(a, np.ndarray)]


def _message(text: str, call: Call) -> str:
    begin = next((b for b in call.begins if text.startswith(b)), None)
    if begin is None:
        return f"an error does not begin with the name: {text[:100]}"
    rest = text if begin.endswith(("(", "()")) else text[len(begin) :]
    if not re.search(rf"\b({'|'.join(map(re.escape, call.names))})\b", rest):
        return f"an error names no argument: {rest[:100]}"
    return ""


def fuzz(calls: int, seed: int, stop: bool = False) -> tuple[Counter[str], dict[str, tuple[int, str, int]]]:
    """How many calls had which outcome; and for each kind of failure how many, the shortest call, and its number.

    stop: at the first failure.
    """
    before = rl.get_num_threads()
    outcomes: Counter[str] = Counter()
    failures: dict[str, tuple[int, str, int]] = {}
    for number in range(calls):
        rl.set_num_threads(1)
        call = Maker(number, seed).call()
        outcome, problem = judged(call)
        outcomes[outcome] += 1
        if problem:
            kind = re.sub(r"[\d.]+", "#", f"{call.text.partition('(')[0]}: {problem}")
            count, shortest, at = failures.get(kind, (0, call.text, number))
            if len(call.text) < len(shortest):
                shortest, at = call.text, number
            failures[kind] = count + 1, shortest, at
            if stop:
                break
    rl.set_num_threads(before)
    return outcomes, failures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("calls", nargs="?", type=int, default=1_000_000)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--call", type=int, help="only this one, written out")
    asked = parser.parse_args()
    if asked.call is not None:
        call = Maker(asked.call, asked.seed).call()
        print(call.text, *judged(call), sep="\n")
        return 0
    began = time.perf_counter()
    outcomes, failures = fuzz(asked.calls, asked.seed)
    seconds = time.perf_counter() - began
    counts = ", ".join(f"{n:,} {outcome}" for outcome, n in outcomes.most_common())
    wrong = sum(count for count, _, _ in failures.values())
    print(f"fuzz: {asked.calls:,} calls (seed {asked.seed}) in {seconds:.0f} s: {counts}; {wrong} failures")
    for kind, (count, shortest, number) in sorted(failures.items(), key=lambda f: -f[1][0]):
        print(f"{count} times {kind}\n    --call {number}: {shortest[:600]}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
