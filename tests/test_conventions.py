"""Functions of other libraries: the rows that describe them, the comparison, and that it can tell right from wrong."""

import ast
import math
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import scipy.special

import reflosses
from reflosses import conventions
from reflosses.conventions import Peer, brief, not_covered, peers

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from reflosses.conventions import compare
from reflosses.conventions.compare import Measured, call, judged, measured, ulps

ROWS = [(framework, peer, dtype) for framework, rows in peers() for peer in rows for dtype in peer.dtypes]
POINTS = 40

every_row = pytest.mark.parametrize(
    ("framework", "peer", "dtype"), ROWS, ids=[f"{p.name} = {p.same_as()}, {d}" for _, p, d in ROWS]
)

# Rows that a version of SciPy or scikit-learn may yet improve: they fail where digits cancel, overflow or clip.
NOT_ALWAYS_RIGHT = {
    "recipe expit(z) − y",
    "recipe logsumexp(z) − z[y]",
    "recipe softmax(z) − one_hot(y)",
    "scipy.special.expit",
    "scipy.special.log_softmax",
    "scipy.special.logsumexp",
    "scipy.special.softmax",
    "scipy least_squares('linear')",
    "scipy least_squares('huber')",
    "scipy least_squares('cauchy')",
    "sklearn HalfBinomialLoss",
    "sklearn HalfBinomialLoss.loss_gradient",
    "sklearn HalfMultinomialLoss",
    "sklearn HalfMultinomialLoss.loss_gradient",
    "sklearn HalfMultinomialLoss.gradient_hessian",
    "sklearn log_loss",
    "sklearn brier_score_loss",
    "sklearn mean_squared_error",
}


def asked(framework: str, peer: Peer, dtype: str, seed: int) -> tuple[Measured | None, Measured | None]:
    if framework == "sklearn":
        pytest.importorskip("sklearn", reason="needs the extra [sklearn]: scikit-learn")
    if peer.name == "scipy.special.softplus" and not hasattr(scipy.special, "softplus"):
        pytest.skip("this version of SciPy has no softplus")
    return measured(peer, dtype, seed, POINTS)


def pasted(line: str) -> np.ndarray:
    """What Python answers to a line."""
    *before, last = ast.parse(line).body
    assert isinstance(last, ast.Expr)
    names: dict[str, object] = {}
    with np.errstate(all="ignore"):
        exec(compile(ast.Module(before, []), "pasted", "exec"), names)
        return np.ravel(eval(compile(ast.Expression(last.value), "pasted", "eval"), names))


# ---- the rows --------------------------------------------------------------------------------------------------------


@every_row
def test_every_row_agrees_at_moderate_inputs(framework: str, peer: Peer, dtype: str) -> None:
    """The loss, its parameters, the factor and the coding of labels are the right ones."""
    for column in asked(framework, peer, dtype, 5):
        if column is not None:
            assert column.points >= 5
            assert column.moderate is not None
            assert column.moderate < (2**12 if dtype == "float32" else 2**15)


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")  # of the pasted lines
@every_row
def test_what_is_right_is_called_right_and_what_is_not_can_be_pasted(framework: str, peer: Peer, dtype: str) -> None:
    columns = asked(framework, peer, dtype, 6)
    kind, verdict = judged(dtype, *columns)
    if peer.name not in NOT_ALWAYS_RIGHT:
        assert kind == "right", verdict
        assert all(c is None or c.line == "" for c in columns)
    for column in columns:
        if column is not None and column.beyond:
            assert "\n" not in column.line
            got = pasted(column.line)
            assert any(x == column.got or (math.isnan(x) and math.isnan(column.got)) for x in got), (column, got)
            assert column.line.endswith(f"exact: {compare._number(column.exact, dtype)}")


def test_rows_have_one_name_for_one_thing_and_name_every_loss_that_has_a_peer() -> None:
    seen = [(p.name, p.equals, d) for _, p, d in ROWS]
    assert len(set(seen)) == len(seen)
    assert all(p.value or p.grad for _, p, _ in ROWS)
    assert {type(p.equals).__name__ for _, p, _ in ROWS} == {
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
    assert "scipy.special.pseudo_huber" in not_covered()


def test_no_framework_is_imported_before_it_is_asked() -> None:
    code = (
        "import sys, reflosses.verify, reflosses.conventions as c; list(c.peers()); "
        "sys.exit(any(m.partition('.')[0] in ('sklearn', 'flint', 'rich') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_brief_leaves_out_what_is_default() -> None:
    assert brief(reflosses.Huber()) == "Huber"
    assert brief(reflosses.Huber(delta=0.7, reduction="none")) == "Huber(delta=0.7)"
    assert brief(reflosses.CrossEntropy(class_weight=(0.3, 7.0))) == "CrossEntropy(class_weight=[0.3, 7.0])"
    half = Peer("half", reflosses.MeanSquaredError(), "", factor=0.5)
    assert half.same_as() == "½ · MeanSquaredError"
    assert replace(half, factor=3.0).same_as() == "3 · MeanSquaredError"


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_a_line_holds_its_input_exactly(dtype: str) -> None:
    rng = np.random.default_rng(8)
    exponents = rng.integers(-170, 10 if dtype == "int64" else 60, 200)
    a = np.ldexp(rng.integers(-(2**52), 2**52, 200).astype(float), exponents).astype(dtype)
    a[0] = 0
    line = Peer("same", reflosses.Hinge(), "").line("yhat", a, a)
    assert line.startswith("import numpy as np; yhat = np.array(")
    assert len(np.unique(a)) > {"bool": 1, "int64": 10}.get(dtype, 100)
    np.testing.assert_array_equal(pasted(line), a, strict=True)


# ---- domains: what a function is not asked ---------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [2.0**-52, 2.0**-23])
def test_probabilities_that_a_function_clips_are_not_asked(eps: float) -> None:
    draw = reflosses.BinaryCrossEntropy.domain.yhat.sample
    p = draw(np.random.default_rng(1), 4000)
    _, moved = conventions.unclipped(np.zeros(4000), p, eps)
    assert moved.min() == eps
    assert moved.max() == 1 - eps
    assert len(np.unique(np.frexp(moved)[1])) > 20  # every magnitude above eps
    rows = conventions.unclipped_rows(np.zeros(1000), p.reshape(1000, 4), eps)[1]
    assert rows.min() >= eps
    assert rows.max() <= 1 - eps
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=16 * eps)
    assert conventions.unclipped_rows(np.zeros(3), p[:3, None], eps)[1].size == 0


def test_other_domains() -> None:
    y, yhat = np.array([1.0, 1.0, -1.0]), np.array([0.25, 3.0, -7.0])
    assert conventions.both_labels(y[:1], yhat[:1], 0.0)[0].size == 0
    for labels in (y, -y, y[:2]):
        assert set(conventions.both_labels(labels, yhat[: len(labels)], 0.0)[0]) == {-1.0, 1.0}
    assert conventions.residual(y, yhat, 0.0)[1].tolist() == [-0.75, 2.0, -6.0]
    assert conventions.probabilities(y, yhat, 0.0)[1].tolist() == [0.25, 1 / 3, 1 / 7]
    assert conventions.some_masks(0 * y, 0 * y, 0.0)[0].size == 0
    assert conventions.some_masks(0 * y, 0 * y + 0.75, 0.0)[1].tolist() == [1.0, 1.0, 1.0]
    rows = np.arange(6.0).reshape(2, 3) + 1
    assert conventions.true_logit_zero(np.array([2.0, 0.0]), rows, 0.0)[1].tolist() == [[1, 2, 0], [0, 5, 6]]
    assert conventions.multiclass(y, rows, 0.0)[1] is rows
    assert conventions.multiclass(y, rows[:, :2], 0.0)[1].size == 0


def test_inputs_of_float32_are_its_own_and_stay_hard() -> None:
    rng = np.random.default_rng(3)
    for domain in (reflosses.Huber.domain.yhat, reflosses.BinaryCrossEntropy.domain.yhat):
        fitted = compare._fit(domain.sample(rng, 4000), "float32")
        np.testing.assert_array_equal(fitted.astype(np.float32).astype(np.float64), fitted)
        assert not domain.outside(fitted).any()
        assert ((fitted != 0) & (np.abs(fitted) < 2.0**-126)).any()
        assert ((fitted < 1) & (fitted > 1 - 2.0**-20)).sum() > 20  # next to one, and not all one
        assert (fitted != 0).mean() > 0.8


# ---- errors in units in the last place -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_ulps_of_a_dtype(dtype: str) -> None:
    kind = np.dtype(dtype).type
    tiny, largest = float(np.finfo(dtype).smallest_subnormal), float(np.finfo(dtype).max)
    for x in (0.75, 1.0, 1.0 + 2.0**-20, 3.0, 2.0**-100, 5 * tiny, 2.0**100):
        up = float(np.nextafter(kind(x), kind(np.inf)))
        assert ulps(up, x, 0.0, dtype) == 1
        assert ulps(x, x, (up - x) / 4 if dtype == "float32" else 0.0, dtype) <= 0.25
    assert ulps(0.0, 7 * tiny, 0.0, dtype) == 7
    assert ulps(np.inf, largest, 0.0, dtype) == np.inf
    assert ulps(np.nan, 1.0, 0.0, dtype) == np.inf
    assert ulps(0.0, 2.0**-200, 0.0, dtype) == (0 if dtype == "float32" else 2**52) or dtype == "float32"
    assert ulps(1.5, 1.0, 0.0, dtype, scale=2.0**60) == 0.5 * 2.0 ** -(60 - np.finfo(dtype).nmant)


def test_what_is_too_large_for_float32_is_rightly_infinite() -> None:
    assert ulps(np.inf, 1e300, 0.0, "float32") == 0
    assert ulps(-np.inf, -1e300, 0.0, "float32") == 0
    assert ulps(np.inf, -1e300, 0.0, "float32") == np.inf
    assert ulps(3e38, 1e300, 0.0, "float32") == np.inf
    assert ulps(np.inf, 1e300, 0.0, "float64") == np.inf


# ---- planted functions -----------------------------------------------------------------------------------------------

SQUARED = reflosses.MeanSquaredError(reduction="none")
LOGIT = reflosses.BinaryCrossEntropyWithLogits(reduction="none")
NUMPY = ""

PLANTED = {
    "lost factor": (Peer("p", SQUARED, NUMPY, "0.5 * (yhat - y) ** 2"), "wrong"),
    "factor told": (Peer("p", SQUARED, NUMPY, "0.5 * (yhat - y) ** 2", factor=0.5), "right"),
    "flipped sign": (Peer("p", SQUARED, NUMPY, grad="2 * (y - yhat)"), "wrong"),
    "right": (Peer("p", SQUARED, NUMPY, "(yhat - y) ** 2", "2 * (yhat - y)"), "right"),
    "an error of 1e-13": (Peer("p", SQUARED, NUMPY, "(yhat - y) ** 2 * (1 + 1e-13)"), "off"),
    "float32 inside": (Peer("p", SQUARED, NUMPY, "((yhat - y).astype('float32') ** 2).astype('float64')"), "wrong"),
    "NaN": (Peer("p", SQUARED, NUMPY, "np.where(yhat > 0, np.nan, (yhat - y) ** 2)"), "wrong"),
    "raises": (Peer("p", SQUARED, NUMPY, "np.linalg.cholesky(np.diagflat(-1.0 - yhat * yhat))"), "wrong"),
    "epsilon": (
        Peer("p", LOGIT, NUMPY, "-y * np.log(1e-12 + 1 / (1 + np.exp(-yhat))) + (1 - y) * np.logaddexp(0, yhat)"),
        "wrong",
    ),
    "wrong shape": (Peer("p", SQUARED, NUMPY, "np.mean((yhat - y) ** 2)"), "missing"),
    "not there": (Peer("p", SQUARED, NUMPY, "np.not_there(y)"), "missing"),
    "not installed": (Peer("p", SQUARED, "import not_installed_at_all", "y"), "missing"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_function_is_seen_through(planted: str) -> None:
    from reflosses import verify

    peer, kind = PLANTED[planted]
    row = verify.asked(replace(peer, dtypes=("float64",)), "float64", 1, POINTS)
    assert row.kind == kind, row.verdict
    assert row.verdict.startswith({"off": "off by", "missing": "not there"}.get(kind, kind))
    assert bool(row.lines) == (kind in ("off", "wrong"))
    if planted == "raises":
        assert "raises LinAlgError" in row.lines[0]
    elif row.lines:
        column = row.value or row.grad
        assert column is not None
        assert np.array_equal(pasted(row.lines[0]), [column.got], equal_nan=True)


def test_any_subgradient_is_right_at_a_kink_and_nothing_beyond() -> None:
    loss, zero = reflosses.MeanAbsoluteError(reduction="none"), "np.sign(yhat - y) + ({}) * (yhat == y)"
    for at_zero, kind in ((-1.0, "right"), (0.3, "right"), (1.0, "right"), (1.1, "wrong")):
        peer = Peer("p", loss, NUMPY, grad=zero.format(at_zero), dtypes=("float64",))
        grad = measured(peer, "float64", 1, 400)[1]
        assert judged("float64", grad)[0] == kind


def test_a_raising_function_is_asked_again_one_by_one() -> None:
    peer = Peer("p", SQUARED, NUMPY, "[v if v > 0 else int('x') for v in yhat] * np.ones(len(yhat))")
    answer = call(peer, np.zeros(3), np.array([1.0, -1.0, 2.0]))
    assert np.array_equal(answer.value, [1, np.nan, 2], equal_nan=True)
    assert answer.grad is None
    mean = replace(peer, equals=reflosses.MeanSquaredError())
    assert np.isnan(call(mean, np.zeros(2), np.array([1.0, -1.0])).value)


def test_what_a_mask_covers_is_not_compared() -> None:
    wrong_at_positive = "np.ma.array(np.where(yhat > 0, 7.0, 2 * (yhat - y)), mask=yhat > 0)"
    grad = measured(Peer("p", SQUARED, NUMPY, grad=wrong_at_positive), "float64", 1, POINTS)[1]
    assert grad is not None
    assert grad.beyond == 0


@pytest.mark.parametrize(
    ("column", "kind", "text"),
    [
        (Measured(1.25, 4, 10, 0.5), "right", "right (within 1.2 ulp)"),
        (Measured(0.0, 4, 10, 0.0), "right", "right (within 0 ulp)"),
        (Measured(64.0, 4, 10, 0.5, 2, False, 1.0, 1.1), "off", "off by 64 ulp at 20 %"),
        (Measured(64.0, 4, 10, 9.0, 2, False, 1.0, 1.1), "off", "off by 64 ulp at 20 %, even moderate"),
        (Measured(1e15, 4, 300, 0.5, 1, True, -0.0, 4e-18), "wrong", "wrong at 0.33 %: 0 for 4e-18"),
        (Measured(math.inf, 4, 8, 0.5, 4, True, math.nan, 1.5), "wrong", "wrong at 50 %: nan for 1.5"),
        (Measured(math.inf, 4, 8, 0.5, 4, True, 1.5, math.inf), "wrong", "wrong at 50 %: 1.5 for inf"),
        (Measured(math.inf, 4, 1, None, 1, True, 7.5, 0.0), "wrong", "wrong: 7.5 for 0"),
        (Measured(1e9, 4, 8, 0.5, 2, True, 1.0 + 1e-7, 1.0), "wrong", "wrong at 25 %: 7 of 16 digits"),
    ],
)
def test_verdicts(column: Measured, kind: str, text: str) -> None:
    assert judged("float64", column) == (kind, text)
    assert judged("float64", None, column, Measured(0.1, 5, 10, 0.1))[0] == kind


def test_our_own_other_functions_are_certified_by_hand_too() -> None:
    from reflosses.verify import OURS

    y, yhat = np.array([True, True, False, True]), np.array([True, False, False, True])
    exact = {
        "overlap.hard_dice": 1 - Fraction(4, 5),
        "overlap.hard_iou": 1 - Fraction(2, 3),
        "overlap.pixel_accuracy": Fraction(1, 4),
    }
    for peer in OURS[1:]:
        assert abs(Fraction(float(peer(y, yhat).value)) - exact[peer.name]) < Fraction(1, 2**50)
    assert [p.name for p in OURS] == ["log_softmax", *exact]
