"""Code that shows a deviation with the framework alone: whoever pastes it sees it fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from reflosses.checking import check
from reflosses.comparison.battery import REGIMES, TARGET_KINDS, blocks
from reflosses.comparison.candidate import Candidate
from reflosses.comparison.census import Census
from reflosses.comparison.exhaustive import exhaust
from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation, numbers
from reflosses.comparison.worst_answers import hunt
from reflosses.comparison.worst_numbers import WorstNumbers
from reflosses.evaluation.stack import unstack
from reflosses.frameworks.function import AUTODIFF, Framework, Function, literal, written

ARRAY = {  # the source of an array: its numbers and its dtype
    "numpy": "np.array({}, {!r})",
    "torch": "torch.tensor({}, dtype=torch.{})",
    "jax": "jnp.array({}, jnp.{})",
    "tensorflow": "tf.constant({}, tf.{})",
}

Make = Callable[[Mapping[str, Any]], Candidate]  # makes a candidate from the parameters of its function


def checked(
    framework: Framework,
    function: Function,
    given: Mapping[str, Any],
    dtype: str,
    *,
    make: Make | None = None,
    regimes: Iterable[str] = tuple(REGIMES),
    **options: Any,
) -> Comparison:
    """Check a function of a framework against the loss that it equals. Each deviation has code to paste.

    make: by default the candidate is called in this process. options: as for `reflosses.check`.
    """
    make = make or (lambda given: framework.candidate(function, given, FORMATS[dtype]))
    found = check(
        make(given),
        function.loss(given),
        unit=function.unit,
        **_told_alike(framework, function, given, dtype),
        regimes=[r for r in regimes if function.validates or r != "K"],
        **options,
    )
    if "K" in regimes:
        for bad in function.refused:
            _ask_to_refuse(found, make, function, given, bad)
    return found


def exhausted(
    framework: Framework,
    function: Function,
    given: Mapping[str, Any],
    dtype: str,
    *,
    make: Make | None = None,
    **options: Any,
) -> Census:
    """Ask a function of a framework every number of a format; ValueError if it has too many numbers or calls.

    make, options: as for `checked`, and for `reflosses.exhaust`.
    """
    candidate = framework.candidate(function, given, FORMATS[dtype]) if make is None else make(given)
    return exhaust(candidate, function.loss(given), **_told_alike(framework, function, given, dtype), **options)


def largest_errors(
    framework: Framework,
    function: Function,
    given: Mapping[str, Any],
    dtype: str,
    *,
    make: Make | None = None,
    **options: Any,
) -> WorstNumbers:
    """Hunt a function of a framework for its largest errors; `largest("value")` is the largest that is known.

    make, options: as for `checked`, and for `reflosses.hunt`, such as seconds=10.
    """
    candidate = framework.candidate(function, given, FORMATS[dtype]) if make is None else make(given)
    alike = _told_alike(framework, function, given, dtype)
    del alike["script"]
    return hunt(candidate, function.loss(given), unit=function.unit, **alike, **options)


def _told_alike(framework: Framework, function: Function, given: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The options that every question to a function of a framework has."""
    shown = ", ".join(f"{k}={literal(v)}" for k, v in given.items())
    return {
        "dtype": dtype,
        "inputs": function.inputs,
        "targets": function.targets,
        "name": f"{function.name}({shown})" if shown else function.name,
        "script": lambda d: script(framework, function, given, d, dtype),
    }


def _ask_to_refuse(
    found: Comparison, make: Make, function: Function, given: Mapping[str, Any], bad: Mapping[str, Any]
) -> None:
    """Ask with a parameter outside its domain: an error or NaN is right, a number is a deviation."""
    form = FORMATS[found.dtype]
    base = parts(function.loss({k: v for k, v in given.items() if k not in bad}))[1]
    block = next(b for b in blocks(base, form, found.seed) if b.y.ndim in TARGET_KINDS[function.targets])
    y, yhat = unstack(base, *function.inputs(block.y[:3], block.yhat[:3], form.eps))
    answer = make({**given, **bad}).ask(y, yhat)
    found.row("K").value.points += 1
    if answer.error or answer.value is None or np.isnan(answer.value).any():
        return
    wrong = found.row("K").value.wrong
    wrong["accepts invalid input"] = wrong.get("accepts invalid input", 0) + 1
    shown = ", ".join(f"{k}={literal(v)}" for k, v in bad.items())
    got, index = float(answer.value.flat[0]), (0,) * answer.value.ndim
    what = f"parameter {shown}", "value", "accepts invalid input"
    found.worst.append(Deviation("K", *what, y, yhat, got=got, index=index, given=bad, level="domain"))


def script(framework: Framework, function: Function, given: Mapping[str, Any], d: Deviation, dtype: str) -> str:
    """Code that repeats the call of a deviation, and asserts that the result is right."""
    array = ARRAY.get(framework.arrays, ARRAY["numpy"])
    arguments = function.arguments({**given, **d.given})
    arrays = {"y": d.y, "yhat": d.yhat, "weight": d.weight}
    code = written(function.code, arguments | ({"weight": None} if d.weight is None else {}))
    lines = [] if "np" in framework.imports.split() else ["import numpy as np"]
    lines.append(framework.imports)
    if framework.arrays == "jax" and dtype == "float64":
        lines.append('jax.config.update("jax_enable_x64", True)')
    if compiler := framework.compiler_of(function):
        taken = ", ".join(name for name, a in arrays.items() if a is not None)
        lines.append(f"loss = {compiler}(lambda {taken}: {code})")
        code = f"loss({taken})"
    y_dtype = "int64" if np.asarray(d.y).dtype.kind in "iu" else dtype
    for name, a in arrays.items():
        if a is not None:
            lines.append(f"{name} = {array.format(numbers(a), y_dtype if name == 'y' else dtype)}")
    if d.what == "gradient" or function.code == "None":
        if function.grad == AUTODIFF:
            upstream = None if d.upstream is None else array.format(numbers(d.upstream), dtype)
            lines += _autodiff(framework.arrays, code, upstream)
        else:
            lines.append(f"grad = {written(function.grad or 'None', arguments)}")
    else:
        lines.append(f"value = {code}")
    return "\n".join([*lines, *_assertion(d)])


def _assertion(d: Deviation) -> list[str]:
    result = "grad" if d.what == "gradient" else "value"
    if d.verdict == "crash":
        return []  # the call itself raises
    if d.shape is not None:
        return [f"assert {result}.shape == {d.shape}, {result}.shape"]
    place = f"[{', '.join(map(str, d.index))}]" if d.index else ""
    number = f"float({result}{place})"
    if np.isnan(d.exact):
        return [f"assert np.isnan({number}), {number}  # must be refused, or not a number"]
    if np.isinf(d.exact):
        return [f"assert {number} == {_number(d.exact)}, {number}"]
    return [
        f"got, exact = {number}, {_number(d.exact)}",
        f"assert abs(got - exact) <= {d.slack:.3g}, f'{{got}} instead of {{exact}}'",
    ]


def _number(x: float) -> str:
    return repr(float(x)) if np.isfinite(x) else f"float('{x}')"


def _autodiff(arrays: str, code: str, upstream: str | None) -> list[str]:
    """The gradient of a call by the autodiff of PyTorch, TensorFlow or JAX."""
    if arrays == "torch":
        seed = upstream or "torch.ones_like(value)"
        return ["yhat.requires_grad_()", f"value = {code}", f"(grad,) = torch.autograd.grad(value, yhat, {seed})"]
    if arrays == "tensorflow":
        seed = f", {upstream}" if upstream else ""
        tape = ["with tf.GradientTape() as tape:", "    tape.watch(yhat)", f"    value = {code}"]
        return [*tape, f"grad = tape.gradient(value, yhat{seed})"]
    back = f"(grad,) = back({upstream or 'jnp.ones_like(value)'})"
    return [f"value, back = jax.vjp(lambda yhat: {code}, yhat)", back]
