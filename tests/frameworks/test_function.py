"""Functions of other frameworks: the rows that describe them, the calls, and that a wrong row cannot pass for right."""

import ast
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import reflosses
from reflosses.comparison.expected import Scaled
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import Comparison, Deviation
from reflosses.evaluation.loss import Loss
from reflosses.frameworks import function as functions
from reflosses.frameworks import inputs
from reflosses.frameworks.function import Framework, Function, as_, brief, find, literal, written
from reflosses.frameworks.scripts import checked, largest_errors, script
from reflosses.reporting.explain import explanation
from reflosses.reporting.rows import Wanted
from reflosses.reporting.verify import verify

FRAMEWORKS = {name: import_module(f"reflosses.frameworks.{name}").FRAMEWORK for name in ("scipy", "sklearn")}
ROWS = [
    (name, function, given, dtype)
    for name, framework in FRAMEWORKS.items()
    for function in framework.functions
    for given in function.tried
    for dtype in function.dtypes
]
# The scope puts the tests of one row next to each other, so that most rows are asked in one process.
every_row = pytest.mark.parametrize(
    "row", range(len(ROWS)), ids=[f"{f.name} {g}, {d}" for _, f, g, d in ROWS], scope="module"
)

# Rows that a version of SciPy or scikit-learn may yet improve: they deviate where digits cancel, numbers overflow or
# are clipped, nothing is divided by nothing, or wrong inputs are taken.
NOT_ALWAYS_RIGHT = {
    "scipy.optimize.least_squares linear",
    "scipy.optimize.least_squares huber",
    "scipy.optimize.least_squares cauchy",
    "scipy.special.expit",
    "scipy.special.expit minus y",
    "scipy.special.logsumexp minus a logit",
    "scipy.special.log_softmax",
    "scipy.special.softmax",
    "scipy.special.softmax minus one-hot",
    "scipy.spatial.distance.sqeuclidean",
    "scipy.spatial.distance.dice",
    "scipy.spatial.distance.jaccard",
    "sklearn.HuberLoss",
    "sklearn.HuberLoss.loss_gradient",
    "sklearn.HalfBinomialLoss",
    "sklearn.HalfBinomialLoss.loss_gradient",
    "sklearn.HalfMultinomialLoss",
    "sklearn.HalfMultinomialLoss.loss_gradient",
    "sklearn.HalfMultinomialLoss.gradient_hessian",
    "sklearn.mean_squared_error",
    "sklearn.mean_absolute_error",
    "sklearn.mean_pinball_loss",
    "sklearn.brier_score_loss",
    "sklearn.log_loss",
    "sklearn.log_loss of classes",
    "sklearn.hinge_loss",
    "sklearn.hinge_loss of labels",
    "sklearn.f1_score",
    "sklearn.jaccard_score",
}
ONE_LABEL = "sklearn.hinge_loss of labels"  # wrong wherever a call has one label only, so at moderate inputs too


@cache
def found(row: int) -> Comparison:
    """What is known of a row. `tests/diagnosis` holds the explanations."""
    name, function, given, dtype = ROWS[row]
    if name == "sklearn":
        pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")
    if function.name == "scipy.special.softplus" and not hasattr(scipy.special, "softplus"):
        pytest.skip("this version of SciPy has no softplus")
    result = checked(FRAMEWORKS[name], function, given, dtype, diagnose=False)
    result.interview = None  # the record of every call
    return result


def pasted(lines: str) -> dict[str, object]:
    """What is there after lines of Python."""
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(lines, names)
    return names


# ---- the rows --------------------------------------------------------------------------------------------------------


@every_row
def test_every_row_agrees_at_moderate_inputs(row: int) -> None:
    """The loss, its parameters, the factor and the coding of labels are the right ones."""
    moderate = found(row).row("moderate")
    asked = [column for column in (moderate.value, moderate.gradient) if column.points]
    assert asked
    assert all(column.points >= 5 for column in asked)
    assert all((column.verdict == "right") == (ROWS[row][1].name != ONE_LABEL) for column in asked)


@every_row
def test_what_is_right_is_called_right_and_what_is_not_fails_where_it_is_pasted(row: int) -> None:
    result = found(row)
    if ROWS[row][1].name not in NOT_ALWAYS_RIGHT:
        result.raise_if_wrong()
        assert result.ok
    for deviation in result.worst:
        lines = result.script(deviation)
        assert "reflosses" not in lines
        with pytest.raises(Exception if deviation.verdict == "crash" else AssertionError):
            pasted(lines)


def test_the_rows_that_may_deviate_are_rows() -> None:
    names = {function.name for _, function, _, _ in ROWS}
    assert names > NOT_ALWAYS_RIGHT
    assert ONE_LABEL in NOT_ALWAYS_RIGHT


@pytest.mark.parametrize(
    ("name", "given", "equals"),
    [
        ("scipy.special.huber", {"delta": 0.75}, "Huber(delta=delta * 1.0001, reduction='none')"),
        ("scipy.special.expit", {}, "FocalWithLogits(gamma=0.001, reduction='none')"),
        ("scipy.optimize.least_squares cauchy", {"f_scale": 0.75}, "Cauchy(delta=f_scale, reduction='none')"),
        ("scipy.spatial.distance.jaccard", {}, "Dice(reduction='sum')"),
    ],
)
def test_a_row_with_a_wrong_loss_is_seen_through_at_moderate_inputs(
    name: str, given: dict[str, float], equals: str
) -> None:
    framework, function = find(name)
    result = checked(framework, replace(function, equals=equals), given, "float64", regimes=["moderate"])
    assert not result.ok
    assert [row.regime for row in result.rows] == ["moderate"]
    with pytest.raises(AssertionError):
        pasted(result.script(result.worst[0]))


def test_only_the_gradient_of_a_function_without_a_value_is_asked() -> None:
    framework, expit = find("scipy.special.expit")
    result = checked(framework, expit, {}, "float64", regimes=["moderate", "D"])
    assert result.ok
    assert all(row.gradient.points > 5 and not row.value.points for row in result.rows)
    answer = framework.candidate(expit, {}, FORMATS["float64"]).ask(np.zeros(1), np.zeros(1))
    assert answer.value is None
    assert answer.grad is not None
    assert answer.grad.tolist() == [0.5]


def test_rows_have_one_name_for_one_thing_and_name_every_loss_that_has_a_row() -> None:
    seen = [(function.name, str(given), dtype) for _, function, given, dtype in ROWS]
    assert len(set(seen)) == len(seen)
    for name, framework in FRAMEWORKS.items():
        names = [function.name for function in framework.functions]
        assert len(set(names)) == len(names)
        assert all(full.startswith(f"{name}.") for full in names)
    losses = {brief(function.loss({})).rpartition(" ")[2].partition("(")[0] for _, function, _, _ in ROWS}
    assert losses == {
        "BinaryCrossEntropy",
        "BinaryCrossEntropyWithLogits",
        "Cauchy",
        "CrossEntropy",
        "Dice",
        "Hinge",
        "Huber",
        "IoU",
        "MeanAbsoluteError",
        "MeanSquaredError",
        "SparseCategoricalCrossEntropy",
    }


def test_every_parameter_set_makes_a_loss_and_a_call() -> None:
    for _, function, given, _ in ROWS:
        for parameters in ({}, given):
            assert isinstance(function.loss(parameters), Loss | Scaled)
            assert compile(written(function.code, function.arguments(parameters)), function.name, "eval")
        nodes = [node for code in (function.code, function.grad or "None") for node in ast.walk(ast.parse(code))]
        assert set(function.parameters) <= {node.id for node in nodes if isinstance(node, ast.Name)}


def test_what_looks_like_a_loss_of_ours_and_is_none_is_listed_with_the_reason() -> None:
    assert "scipy.special.pseudo_huber" in FRAMEWORKS["scipy"].not_covered
    assert "sklearn.metrics.hinge_loss with more than two labels" in FRAMEWORKS["sklearn"].not_covered
    for framework in FRAMEWORKS.values():
        assert all(framework.not_covered.values())
        assert not set(framework.not_covered) & {function.name for function in framework.functions}


# ---- nothing is imported before it is asked --------------------------------------------------------------------------


def test_no_framework_is_imported_before_it_is_asked() -> None:
    code = (
        "import sys, reflosses.frameworks.function as c; found = list(c.frameworks()); "
        "assert len(found) == len(c.MODULES); "
        "[f.loss({}) for framework in found for f in framework.functions]; "
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "reflosses" in loaded
    assert not loaded & {"sklearn", "torch", "jax", "optax", "keras", "onnx", "onnxruntime", "flint", "rich"}
    assert not loaded & {"tensorflow", "xgboost", "lightgbm"}


def test_a_framework_knows_its_version_and_imports_when_it_is_asked() -> None:
    framework = FRAMEWORKS["scipy"]
    assert framework.version == scipy.__version__
    assert replace(framework, package="not-installed-at-all").version is None
    assert framework.names["scipy"] is scipy
    missing = replace(framework, imports="import not_installed_at_all")
    with pytest.raises(ImportError):
        missing.candidate(framework.functions[0], {}, FORMATS["float64"])


# ---- as_ and find ----------------------------------------------------------------------------------------------------


def test_as_gives_the_loss_that_equals_a_function() -> None:
    assert as_("scipy.special.huber", delta=0.7) == reflosses.Huber(delta=0.7, reduction="none")
    assert as_("scipy.special.huber") == reflosses.Huber(delta=1.0, reduction="none")
    assert as_("sklearn.mean_squared_error") == reflosses.MeanSquaredError(reduction="weighted_mean")
    cauchy = as_("scipy.optimize.least_squares cauchy", f_scale=0.7)
    assert cauchy == Scaled(0.5, reflosses.Cauchy(delta=0.7, reduction="none"))
    start = scipy.optimize.least_squares(lambda x: x, [3.0], lambda x: [[1.0]], loss="cauchy", f_scale=0.7, max_nfev=1)
    value, grad = cauchy.value_and_grad([0.0], [3.0])
    np.testing.assert_allclose([value[0], grad[0]], [start.cost, start.grad[0]], rtol=1e-14)


def test_every_name_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MODULES", tuple(FRAMEWORKS))
    for name, function, given, _ in ROWS:
        assert find(function.name) == (FRAMEWORKS[name], function)
        assert str(as_(function.name, **given)) == str(function.loss(given))


def test_as_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MODULES", tuple(FRAMEWORKS))
    with pytest.raises(ValueError, match=r"no function is named 'scipy\.huber'; scipy\.special\.huber is"):
        as_("scipy.huber")
    with pytest.raises(KeyError, match=r"scipy\.huber"):
        find("scipy.huber")
    with pytest.raises(TypeError, match=r"scipy\.special\.huber has no parameter 'beta' here; it takes delta=1\.0"):
        as_("scipy.special.huber", beta=0.7)
    with pytest.raises(TypeError, match="has no parameter 'reduction' here; it takes nothing"):
        as_("sklearn.zero_one_loss", reduction="sum")


def test_as_names_what_is_wrong() -> None:
    with pytest.raises(TypeError, match=r"^as_: name is 3, not a text"):
        as_(3)  # type: ignore[arg-type]
    with pytest.raises(
        TypeError, match=r"^torch\.smooth_l1_loss has no parameter 'bta' here; .*; did you mean beta\?$"
    ):
        as_("torch.smooth_l1_loss", bta=1)
    for beta, error in ((0, ValueError), ("x", TypeError), (None, TypeError), (-0.7, ValueError)):
        with pytest.raises(error, match=rf"^as_: torch\.smooth_l1_loss has no loss for beta={re.escape(repr(beta))}: "):
            as_("torch.smooth_l1_loss", beta=beta)


def test_brief_leaves_out_what_is_default() -> None:
    assert brief(reflosses.Huber()) == "Huber"
    assert brief(reflosses.Huber(delta=0.7, reduction="none")) == "Huber(delta=0.7)"
    assert brief(reflosses.CrossEntropy(class_weight=(0.3, 7.0))) == "CrossEntropy(class_weight=[0.3, 7.0])"
    assert brief(Scaled(0.5, reflosses.MeanSquaredError())) == "½ · MeanSquaredError"
    assert brief(Scaled(3.0, reflosses.MeanSquaredError())) == "3 · MeanSquaredError"


def test_a_framework_is_one_module_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("reflosses.frameworks.toy")
    code = "np.minimum(r := abs(yhat - y), 1) * (r - np.minimum(r, 1) / 2)"
    huber = Function("toy.huber", code, "Huber(reduction='none')", grad=None, dtypes=("float64",))
    module.FRAMEWORK = Framework("toy", "numpy", "import numpy as np", "numpy", (huber,), {"toy.other": "no loss"})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(functions, "MODULES", (*functions.MODULES, "toy"))
    assert as_("toy.huber") == reflosses.Huber(reduction="none")
    assert explanation("toy.huber").startswith("toy.huber\n\n    equals    Huber(reduction='none')\n")
    assert "toy.other: no loss" in explanation("toy")
    (row,) = verify(Wanted(["Huber"], ["toy"], 0, 1, regimes=("moderate",))).legs[1].rows
    assert (row.framework, row.name, row.verdict) == ("toy", "toy.huber", "right")


# ---- source ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "arguments", "expected"),
    [
        ("f(y, yhat, delta=delta)", {"delta": 0.75}, "f(y, yhat, delta=0.75)"),
        ("f(y, name)", {"name": "mean"}, "f(y, 'mean')"),
        ("f(y, w)", {"w": np.array([0.25, 3.0])}, "f(y, [0.25, 3.0])"),
        ("a(y) if w is None else b(y, w)", {"w": None}, "a(y)"),
        ("a(y) if w is None else b(y, w)", {"w": (0.25, 3.0)}, "b(y, (0.25, 3.0))"),
        ("f(a if p > 0.5 else b if q else c)", {"p": 0.25, "q": False}, "f(c)"),
        ("p if y > p else -p", {"p": 0.25}, "0.25 if y > 0.25 else -0.25"),
        ("y.delta + delta", {"delta": 6.0}, "y.delta + 6.0"),
        ("-yhat", {}, "-yhat"),
    ],
)
def test_written_fills_in_parameters_and_takes_their_branch(
    code: str, arguments: dict[str, object], expected: str
) -> None:
    assert written(code, arguments) == expected


def test_a_call_has_the_defaults_with_what_is_given() -> None:
    _, huber = find("scipy.special.huber")
    for given, delta in (({}, 1.0), ({"delta": 0.75}, 0.75)):
        assert written(huber.code, huber.arguments(given)) == f"scipy.special.huber(yhat.dtype.type({delta}), yhat)"
    assert literal(np.array([0.1, 7.0])) == "[0.1, 7.0]"
    assert literal(0.1) == "0.1"


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64"])
def test_a_script_holds_its_inputs_exactly(dtype: str) -> None:
    rng = np.random.default_rng(8)
    drawn = np.ldexp(rng.integers(-(2**52), 2**52, 200).astype(float), rng.integers(-170, 10, 200))
    with np.errstate(over="ignore"):
        y = drawn.astype(dtype)
    assert len(set(y.tolist())) > 10
    if dtype != "int64":
        y[:4] = np.nan, np.inf, -np.inf, -0.0
    yhat = drawn if dtype == "int64" else y[::-1]
    framework, function = FRAMEWORKS["scipy"], Function("f", "scipy.special.huber(1.0, 0.0)", "Huber()")
    deviation = Deviation("D", "", "value", "inaccurate", y, yhat, got=0.0, exact=0.0, slack=0.0)
    names = pasted(script(framework, function, {}, deviation, str(yhat.dtype)))
    for name, array in (("y", y), ("yhat", yhat)):
        np.testing.assert_array_equal(names[name], array, strict=True)
        np.testing.assert_array_equal(np.signbit(names[name]), np.signbit(array))


def test_a_row_is_called_with_its_parameters_and_the_arrays_of_a_format() -> None:
    spy = Framework("f", "f", "", "numpy", (), {})
    function = Function("f", "scale * (yhat - y)", "MeanSquaredError()", {"scale": 1.0}, grad=None)
    answer = spy.candidate(function, {"scale": 3.0}, FORMATS["float32"]).ask([1.0], [1.5])
    assert answer.value is not None
    assert answer.value.tolist() == [1.5]
    assert answer.grad is None
    shown = replace(function, code="np.float64([y.dtype.kind == 'i', yhat.dtype == np.float32])")
    assert spy.candidate(shown, {}, FORMATS["float32"]).ask([1], [1.5]).value.tolist() == [1, 1]
    assert not spy.candidate(function, {}, FORMATS["float64"]).takes_weight
    weighs = spy.candidate(replace(function, code="yhat if weight is None else weight * yhat"), {}, FORMATS["float64"])
    assert weighs.takes_weight
    assert weighs.ask([0.0], [1.5]).value.tolist() == [1.5]
    assert weighs.ask([0.0], [1.5], [3.0]).value.tolist() == [4.5]
    wrong = spy.candidate(replace(function, code="not_there(y)"), {}, FORMATS["float64"]).ask([0.0], [0.0])
    assert wrong.error == "NameError: name 'not_there' is not defined"


# ---- domains: what a function is not asked ---------------------------------------------------------------------------

Y, YHAT = np.array([1.0, 1.0, -1.0]), np.array([0.25, 3.0, -7.0])
EPS = 2.0**-52


@pytest.mark.parametrize(
    ("domain", "y", "yhat"),
    [
        (inputs.as_drawn, [1, 1, -1], [0.25, 3, -7]),
        (inputs.finite, [1, 1, -1], [0.25, 3, -7]),
        (inputs.residual, [0, 0, 0], [-0.75, 2, -6]),
        (inputs.finite_residual, [0, 0, 0], [-0.75, 2, -6]),
        (inputs.label_zero, [0, 0, 0], [0.25, 3, -7]),
        (inputs.hard_labels, [1, 1, -1], [0.25, 3, -7]),
        (inputs.hard_masks, [1, 1, -1], [0, 3, -7]),
        (inputs.label_pairs, [1, 1, 0], [1, 1, 0]),
        (inputs.probabilities, [1, 1, 0], [0.25, 1 / 3, 1 / 7]),
    ],
)
def test_a_domain_changes_what_is_drawn(domain: functions.Inputs, y: list[float], yhat: list[float]) -> None:
    given = Y.copy(), YHAT.copy()
    moved = domain(*given, EPS)
    assert moved[0].tolist() == y
    assert moved[1].tolist() == yhat
    assert given[0].tolist() == Y.tolist()
    assert given[1].tolist() == YHAT.tolist()


@pytest.mark.parametrize("wild", [np.nan, np.inf, -np.inf])
def test_what_a_function_insists_on_being_finite_is_left_out(wild: float) -> None:
    yhat = np.array([0.25, wild, -7.0])
    for domain in (inputs.finite, inputs.finite_residual, inputs.hard_labels, inputs.hard_masks):
        assert [a.size for a in domain(Y, yhat, EPS)] == [0, 0]
    assert inputs.as_drawn(Y, yhat, EPS)[1] is yhat
    assert inputs.probabilities(Y, yhat, EPS)[1].size == (0 if np.isnan(wild) else 3)
    beyond = np.full(3, 1.5e308)
    assert inputs.finite_residual(-beyond, beyond, EPS)[1].size == 0


def test_the_domain_of_logsumexp_moves_the_logit_of_the_target() -> None:
    rows = np.arange(6.0).reshape(2, 3) + 1
    moved = inputs.true_logit_zero(np.array([2.0, 0.0]), rows, EPS)[1]
    assert moved.tolist() == [[1, 2, 0], [0, 5, 6]]
    assert rows[0, 2] == 3


# ---- real data -------------------------------------------------------------------------------------------------------


def test_every_function_on_real_data_agrees_with_ours() -> None:
    sklearn = pytest.importorskip("reflosses.frameworks.sklearn")
    pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")
    assert {real.framework.name for real in sklearn.REAL_DATA} == {"scipy", "sklearn"}
    for real in sklearn.REAL_DATA:
        y, yhat = sklearn.predictions(real.data, real.output)
        assert sklearn.predictions(real.data, real.output)[1] is yhat
        answer = real.framework.candidate(real.function, real.given, FORMATS["float64"]).ask(y, yhat)
        assert answer.error == "", real
        ours = real.function.loss(real.given).value_and_grad(y, yhat)
        assert np.shape(answer.value) == np.shape(ours[0])
        np.testing.assert_allclose(np.sum(answer.value), np.sum(ours[0]), rtol=1e-6, err_msg=str(real))
        assert (answer.grad is None) == (real.function.grad is None)
        if answer.grad is not None:
            assert answer.grad.shape == yhat.shape
            np.testing.assert_allclose(np.abs(answer.grad).sum(), np.abs(ours[1]).sum(), rtol=1e-6, err_msg=str(real))


def test_the_largest_errors_of_a_function_are_hunted_within_its_domain():
    """SciPy's huber takes residuals: the target is 0 in every input that a report shows."""
    framework, function = find("scipy.special.huber")
    found = largest_errors(framework, function, {"delta": 0.75}, "float32", points=3000)
    assert found.ok
    assert found.name == "scipy.special.huber(delta=0.75)"
    assert found.value.y.tolist() == [0.0]
    assert found.largest("value") is found.value
    assert found.largest("gradient") is None  # it has none
