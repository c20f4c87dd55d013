"""The pytest plug-in: tests that return losses, the fixture, messages, options, reports; and that it costs nothing."""

import json
import re
import sys
from dataclasses import fields
from importlib import metadata
from inspect import signature
from typing import Any

import pytest

from reflosses import Huber, catalogue, check
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.result import title
from reflosses.frameworks import function as functions

pytest_plugins = ["pytester"]

INSTALLED = any(e.name == "reflosses" for e in metadata.entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "reflosses.pytest_plugin"]  # a plug-in cannot be registered twice
QUICK = ["-p", "no:hypothesispytest"]  # it would import hypothesis again in every run
STRICT = [*PLUGIN, *QUICK, "--strict-markers", "-Werror"]

# A Huber loss of one's own, off by a factor; 3/4 and its products with the numbers of the battery are exact.
HUBER = """
    import numpy as np
    import pytest

    matches = pytest.mark.matches_loss
    few = dict(reduction="none", regimes=("moderate", "E"), diagnose=False)

    def huber(delta, factor=1.0):
        def both(y, yhat):
            r = yhat - y
            c = np.minimum(np.abs(r), delta)
            return factor * c * (np.abs(r) - c / 2), factor * np.clip(r, -delta, delta)
        return both
"""


def run(pytester: pytest.Pytester, tests: str, *arguments: str, huber: bool = True) -> pytest.RunResult:
    pytester.makepyfile(test_losses=_dedent(HUBER if huber else "import pytest") + _dedent(tests))
    return pytester.runpytest(*STRICT, *arguments)


def _dedent(text: str) -> str:
    return "\n".join(line[4:] if line.startswith("    ") else line for line in text.splitlines()) + "\n"


def results(pytester: pytest.Pytester, file: str = "report.json") -> list[dict[str, Any]]:
    """The report; seconds are nobody's promise."""
    found: list[dict[str, Any]] = json.loads((pytester.path / file).read_text("utf-8"))["results"]
    for result in found:
        del result["seconds"]
    return found


# ---- right and wrong -------------------------------------------------------------------------------------------------


def test_a_right_candidate_passes(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, reduction="none")
    def test_huber():
        return huber(0.75)

    @matches("Huber", delta=0.75, reduction="none", dtype="float32")
    def test_huber_of_floats():
        return huber(np.float32(0.75))

    class TestMethods:
        @matches("Huber", delta=0.75, **few)
        def test_huber(self):
            return huber(0.75)

    def test_of_something_else():
        assert True
    """
    run(pytester, tests).assert_outcomes(passed=4)


@pytest.mark.parametrize("name", [n for n in catalogue.losses() if n not in ("Dice", "GeneralizedDice", "IoU")])
def test_our_own_losses_pass(pytester: pytest.Pytester, name: str) -> None:
    tests = f"""
    from reflosses.catalogue import examples, losses

    loss = next(examples(losses()["{name}"]))

    @pytest.mark.matches_loss(loss)
    def test_loss():
        return loss.value_and_grad
    """
    run(pytester, tests, huber=False).assert_outcomes(passed=1)


def test_a_wrong_candidate_fails_and_the_message_shows_it(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, reduction="none", regimes=("moderate", "D", "E"))
    def test_huber():
        return huber(0.75, factor=0.5)
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=1)
    said = done.stdout.str()
    assert "Not equal to Huber(delta=0.75, reduction='none') in float64: not the loss: other convention\n" in said
    assert "\nDiagnosis: " in said
    assert "PytestReturnNotNoneWarning" not in said
    assert ".py:" not in said.partition("FAILURES")[2].partition("short test summary")[0]  # nobody's inner life

    section = re.search(
        r"\nordinary inputs \(value\)\nMismatched: (\d+) / (\d+) \(100%\)\n"
        r"Mismatch at index:\n \[0\]: (\S+) \(ACTUAL\), (\S+) \(DESIRED\), (\S+) ulp apart: other convention\n"
        r"# .*\n(import numpy as np\ny = .*\nyhat = .*)\n\n",
        said,
    )
    assert section is not None, said
    wrong, points, actual, desired, ulps, lines = section.groups()
    assert wrong == points
    assert int(points) > 20
    pasted: dict[str, Any] = {}
    exec(lines, pasted)
    truth = Huber(delta=0.75).value(pasted["y"], pasted["yhat"])
    assert float(actual) == truth / 2
    assert abs(float(desired) - truth) <= FORMATS["float64"].spacing(truth)
    assert float(ulps) == pytest.approx(truth / 2 / FORMATS["float64"].spacing(truth), rel=0.01)
    elsewhere = said[said.index("Mismatched elsewhere:") :]
    assert re.search(r"\n exact points and their neighbours \(D\) \(gradient\): \d+ / \d+ \(", elsewhere)


def test_a_message_names_the_regime_the_verdict_and_what_is_right(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, reduction="none", regimes=("moderate", "E"), level="digits")
    def test_huber():
        right = huber(0.75)
        def lost(y, yhat):
            value, grad = right(y, yhat)
            return value, np.where(np.abs(yhat - y) < 2.0**-30, 0.0, grad)
        return lost
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=1)
    done.stdout.re_match_lines(
        [
            r"Not equal to Huber\(.*\) in float64: the loss, with limits: spurious zero",
            r"small against the scale \(E\) \(gradient\)",
            r"Mismatched: \d+ / \d+ \(\d\d(\.\d)?%\)",
            r" \[0\]: -?0\.0 \(ACTUAL\), -?\d\S+ \(DESIRED\), \S+ ulp apart: spurious zero",
        ],
        consecutive=False,
    )
    assert "(value)" not in done.stdout.str()


def test_a_candidate_that_raises_fails_with_what_it_raises(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, **few)
    def test_huber():
        def broken(y, yhat):
            raise RuntimeError("out of cheese")
        return broken
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "Not equal to Huber*: not the loss: crash",
            "It is not the loss: it raises RuntimeError: out of cheese (test_losses.py:*",
        ]
    )


def test_a_test_that_returns_no_candidate_fails(pytester: pytest.Pytester) -> None:
    tests = """
    import unittest

    @matches("Huber", delta=0.75)
    def test_nothing():
        pass

    @matches("Huber", delta=0.75)
    def test_number():
        return 0.75

    class TestOld(unittest.TestCase):
        @matches("Huber", delta=0.75)
        def test_old(self):
            pass
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=3)
    done.stdout.fnmatch_lines(
        [
            "test_nothing is marked matches_loss and returned None, not a callable of (y, yhat)",
            "test_number is marked matches_loss and returned 0.75, *",
            "test_old is marked matches_loss and returned None, *",
        ]
    )


def test_a_test_that_fails_or_is_skipped_by_itself_keeps_its_outcome(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75)
    def test_fails():
        assert 1 == 3, "before the check"

    @matches("Huber", delta=0.75)
    def test_skips():
        pytest.skip("not today")

    @pytest.mark.xfail(reason="known")
    @matches("Huber", delta=0.75, **few)
    def test_known():
        return huber(1.5)
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=1, skipped=1, xfailed=1)
    done.stdout.fnmatch_lines(["E*before the check*"])


def test_the_item_is_left_as_it_was(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_runtest_teardown(item):\n    assert item.obj is item.module.test_huber\n")
    tests = """
    @matches("Huber", delta=0.75, **few)
    def test_huber():
        return huber(0.75)
    """
    run(pytester, tests).assert_outcomes(passed=1)  # a plug-in that runs tests again finds the test, not our wrapper


# ---- parameters, options, fixtures -----------------------------------------------------------------------------------


def test_parametrised_tests_and_fixtures(pytester: pytest.Pytester) -> None:
    tests = """
    @pytest.fixture
    def factor():
        return 1.0

    def of(delta):
        return pytest.param(delta, marks=matches("Huber", delta=delta, **few), id=str(delta))

    @pytest.mark.parametrize("delta", [of(0.75), of(6.0)])
    def test_each_with_its_own(delta, factor):
        return huber(delta, factor)

    @matches("Huber", delta=0.75, **few)
    @pytest.mark.parametrize("delta", [0.75, 6.0])
    def test_all_with_one(delta):
        return huber(delta)
    """
    done = run(pytester, tests, "-v")
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["*test_all_with_one?6.0? FAILED*"])


def test_every_marker_counts(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, **few)
    class TestStacked:
        @matches("Huber", delta=6.0, **few)
        def test_one_is_right(self):
            return huber(6.0)

        @matches("Huber", delta=6.0, **few)
        def test_none_is_right(self):
            return huber(3.0)

        @matches("Huber", delta=0.75, dtype="float32", **few)
        def test_both_are_right(self):
            return huber(0.75)
    """
    done = run(pytester, tests)
    done.assert_outcomes(passed=1, failed=2)
    said = done.stdout.str()
    assert said.count("Not equal to Huber(delta=0.75, reduction='none')") >= 2
    assert said.count("Not equal to Huber(delta=6.0, reduction='none')") >= 1


def test_keywords_go_to_the_loss_or_to_the_check(pytester: pytest.Pytester) -> None:
    tests = """
    options = dict(name="mine", dtype="float32", regimes=("moderate",), seed=7, grad=None)

    @matches("Huber", delta=0.75, reduction="sum", **options)
    def test_huber():
        return lambda y, yhat: huber(0.75)(y, yhat)[0].sum()

    @matches("Huber", delta=0.75, reduction="none", regimes=["E"], grad=lambda y, yhat: huber(0.75)(y, yhat)[1])
    def test_gradient():
        return lambda y, yhat: huber(0.75)(y, yhat)[0]
    """
    run(pytester, tests, "--reflosses-report=report.json", "--reflosses-seed=11").assert_outcomes(passed=2)
    gradient, huber = results(pytester)
    assert huber["test"] == "test_losses.py::test_huber"
    assert (huber["name"], huber["loss"], huber["dtype"], huber["seed"]) == (
        "mine",
        "Huber(delta=0.75, reduction='sum')",
        "float32",
        7,
    )
    assert [row["regime"] for row in huber["rows"]] == ["moderate"]
    assert huber["rows"][0]["value"]["points"] > 0
    assert huber["rows"][0]["gradient"]["points"] == 0
    assert gradient["name"] == gradient["test"] == "test_losses.py::test_gradient"
    assert gradient["seed"] == 11
    assert gradient["rows"][0]["gradient"]["points"] > 0


def test_no_parameter_of_a_loss_is_called_like_an_option() -> None:
    options = {p.name for p in signature(check).parameters.values() if p.kind is p.KEYWORD_ONLY}
    assert {"dtype", "regimes", "seed", "grad", "framework", "targets"} <= options
    for cls in catalogue.losses().values():
        assert not options & {f.name for f in fields(cls)}
    for framework in functions.frameworks():
        for function in framework.functions:
            assert not options & set(function.parameters), function.name


def test_a_function_of_a_framework_is_a_loss_by_another_name(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("torch.smooth_l1_loss", beta=0.75, reduction="none", regimes=["moderate"])
    @pytest.mark.parametrize("factor", [1 / 0.75, 1.0])
    def test_smooth(factor):
        return huber(0.75, factor)
    """
    done = run(pytester, tests, "-v")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        ["*test_smooth?1.0? FAILED*", "Not equal to torch.smooth_l1_loss, which is Scaled(*Huber(delta=0.75, *"]
    )


def test_a_function_of_a_framework_brings_its_domain(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("scipy.special.huber", delta=0.75, regimes=["moderate", "E"])  # it takes residuals: y is 0
    def test_residuals():
        return lambda y, yhat: huber(0.75)(0.0, yhat)

    @matches("Huber", delta=0.75, **few)
    def test_differences():
        return lambda y, yhat: huber(0.75)(0.0, yhat)
    """
    done = run(pytester, tests, "-v")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["*test_differences FAILED*"])


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ("'Hubber', delta=0.75", "no loss is named 'Hubber'; did you mean Huber?"),
        (
            "'Huber', delt=0.75",
            "Huber has no parameter 'delt'; did you mean delta? it takes delta, reduction; the check takes command, *",
        ),
        ("'Huber', delta=-3.0", "Huber*: delta is -3, not *"),
        ("'torch.hubber_loss'", "no function is named 'torch.hubber_loss'; did you mean torch.huber_loss? *"),
        ("'torch.huber_loss', beta=0.75", "torch.huber_loss has no parameter 'beta' here; it takes *delta*"),
        ("", "takes one loss, by its name; *"),
        ("'Huber', 0.75", "takes one loss, by its name; *"),
    ],
)
def test_a_marker_that_cannot_be_understood_is_an_error(pytester: pytest.Pytester, marker: str, words: str) -> None:
    tests = f"""
    @pytest.mark.matches_loss({marker})
    def test_huber():
        raise RuntimeError("not reached")
    """
    done = run(pytester, tests, huber=False)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([f"matches_loss: {words}"])
    done.stdout.no_fnmatch_line("*not reached*")
    done.stdout.no_fnmatch_line("*Traceback*")


def test_an_unknown_option_value_fails(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, dtype="float33")
    def test_huber():
        return huber(0.75)
    """
    done = run(pytester, tests)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["matches_loss: check: dtype is 'float33', not one of float64, *"])


def test_a_regime_without_inputs_says_so(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, regimes=["A"])
    def test_huber():
        return huber(0.75)
    """
    done = run(pytester, tests)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [f"nothing was asked: Huber has no inputs in the regimes {title('A')}. It has inputs in: *"]
    )


# ---- a process of its own --------------------------------------------------------------------------------------------

ALONE = """
    import os, time

    def right(y, yhat):
        return huber(0.75)(y, yhat)

    def slope(y, yhat):
        return huber(0.75)(y, yhat)[1]

    def ends(y, yhat):
        os._exit(0)

    def sleeps(y, yhat):
        time.sleep(60)

    class Loss:
        @staticmethod
        def right(y, yhat):
            return right(y, yhat)

    few = dict(few, regimes=("moderate",))
"""


def test_a_limit_asks_in_a_process_of_its_own(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, limit=20, **few)
    @pytest.mark.parametrize("candidate", [right, Loss.right])
    def test_right(candidate):
        return candidate

    @matches("Huber", delta=0.75, limit=20, grad=slope, **few)
    def test_gradient():
        return right

    @matches("Huber", delta=0.75, limit=20, **few)
    def test_ends():
        return ends

    @matches("Huber", delta=0.75, limit=0.2, **few)
    def test_sleeps():
        return sleeps
    """
    done = run(pytester, ALONE + tests)
    done.assert_outcomes(passed=3, failed=2)
    said = done.stdout.str()
    assert "its process exited with status 0" in said
    assert "it gives no answer within 0.2 s" in said


def test_a_limit_of_the_configuration_needs_a_function_that_can_be_found(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nreflosses_limit = 20\n")
    tests = """
    @matches("Huber", delta=0.75, **few)
    def test_right():
        return right

    @matches("Huber", delta=0.75, **few)
    @pytest.mark.parametrize("candidate", [huber(0.75), lambda y, yhat: y, np.vectorize(right)])
    def test_no_name(candidate):
        return candidate

    def test_oracle(loss_oracle):
        loss_oracle("Huber", delta=0.75, **few).check(right)
    """
    done = run(pytester, ALONE + tests)
    done.assert_outcomes(passed=2, failed=3)
    done.stdout.fnmatch_lines(
        [
            "matches_loss: limit needs a process of its own, which cannot find the candidate *: it is defined inside*",
            "matches_loss: limit needs a process of its own, * it is a lambda expression*",
            "matches_loss: limit needs a process of its own, *vectorize*; define it at the top of a module, *",
        ]
    )


def test_a_limit_that_is_no_time_is_an_error(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", limit=-3)
    def test_huber():
        return huber(0.75)
    """
    done = run(pytester, tests)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["matches_loss: limit is -3, not a number of seconds above 0"])


PROGRAM = """
import json, sys
for n, call in enumerate(map(json.loads, sys.stdin)):
    pairs = zip(call.get("y", []), call.get("yhat", []))
    both = [((p - y) ** 2, 2 * (p - y)) for y, p in pairs]
    answer = {"value": [v for v, _ in both], "gradient": [g for _, g in both]} if n else {"reflosses": 1}
    print(json.dumps(answer), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="programs need pipes of POSIX")
def test_a_marked_test_may_have_a_command(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(squared=PROGRAM, half=PROGRAM.replace("2 * (p - y)", "p - y"))
    pytester.makepyfile("""
import sys
import pytest
import reflosses

def command(file):
    return [sys.executable, file]

given = dict(reduction="none", regimes="moderate")

@pytest.mark.matches_loss("MeanSquaredError", command=command("squared.py"), limit=10, **given)
def test_right():
    pass

@pytest.mark.matches_loss("MeanSquaredError", command=command("half.py"), **given)
def test_wrong():
    pass

@pytest.mark.matches_loss("MeanSquaredError", **given)
def test_returned():
    return reflosses.Program(command("squared.py"))

@pytest.mark.matches_loss("MeanSquaredError", command=["./nothing"], **given)
def test_missing():
    pass

@pytest.mark.matches_loss("MeanSquaredError", command=command("squared.py"), **given)
def test_both():
    return abs

@pytest.mark.matches_loss("MeanSquaredError", command="squared.py", **given)
def test_text():
    pass

def test_fixture(loss_oracle):
    loss_oracle("MeanSquaredError", command=command("squared.py"), **given).check()
""")
    run = pytester.runpytest(*STRICT)
    run.assert_outcomes(passed=3, failed=3, errors=1)
    run.stdout.fnmatch_lines(
        [
            "*Program: command is 'squared.py', not a list of texts such as*",
            "*It halves the gradient, but not the value*",
            "*printf '%s\\n' '{\"reflosses\": 1,*",
            "matches_loss: ./nothing cannot be started: No such file or directory",
            "test_both is marked with a command and returned <built-in function abs>, not nothing",
        ]
    )


# ---- the fixture -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("flint")
def test_the_fixture(pytester: pytest.Pytester) -> None:
    tests = """
    def test_numbers(loss_oracle):
        oracle = loss_oracle("Huber", delta=0.75, reduction="none")
        assert oracle.value([0.0], [3.0]).tolist() == [1.96875]  # 3/4 (3 - 3/8) = 63/32
        assert oracle.grad([0.0], [3.0]).tolist() == [0.75]
        value, grad = oracle.certify([0.0], [3.0])
        assert (value.tolist(), grad.tolist()) == ([1.96875], [0.75])

    def test_numbers_of_a_function(loss_oracle):
        oracle = loss_oracle("torch.smooth_l1_loss", beta=0.75, reduction="sum")
        assert oracle.value([0.0], [3.0]) == 2.625  # 63/32 / (3/4) = 21/8
        value, grad = oracle.certify([0.0], [3.0])
        assert (value, grad.tolist()) == (2.625, [1.0])

    def test_right(loss_oracle):
        result = loss_oracle("Huber", delta=0.75, reduction="none").check(huber(0.75), regimes=["E"])
        assert result.ok
        assert loss_oracle.assert_matches(huber(0.75), "Huber", delta=0.75, **few).ok

    def test_wrong(loss_oracle):
        loss_oracle.assert_matches(huber(0.75), "Huber", delta=6.0, **few)

    def test_wrong_too(loss_oracle):
        oracle = loss_oracle("Huber", delta=6.0, **few)
        with pytest.raises(AssertionError, match="^Not equal to Huber.*in float32"):
            oracle.check(huber(0.75), dtype="float32")

    @pytest.fixture
    def checked(loss_oracle):
        return loss_oracle.assert_matches(huber(0.75), "Huber", delta=0.75, **few)

    def test_in_a_fixture(checked):
        assert checked.ok
    """
    done = run(pytester, tests, "--reflosses-report=report.json")
    done.assert_outcomes(passed=5, failed=1)
    done.stdout.fnmatch_lines(["E *AssertionError: Not equal to Huber(delta=6.0, *"])
    assert "pytest_plugin.py" not in done.stdout.str()
    assert [r["test"].rpartition("::")[2] for r in results(pytester)] == [
        "test_in_a_fixture",
        "test_right",
        "test_right",
        "test_wrong",
        "test_wrong_too",
    ]


# ---- options of the session ------------------------------------------------------------------------------------------

SEVERAL = """
    @pytest.mark.parametrize("delta", [0.75, 3.0, 6.0])
    @matches("Huber", delta=0.75, **few)
    def test_huber(delta):
        return huber(delta)

    def test_oracle(loss_oracle):
        loss_oracle("Huber", delta=3.0, **few).check(huber(3.0))
"""


def test_the_report_as_json_and_as_markdown(pytester: pytest.Pytester) -> None:
    done = run(pytester, SEVERAL, "--reflosses-report=out/report.json")
    done.assert_outcomes(passed=2, failed=2)
    done.stdout.fnmatch_lines([f"*reflosses report: {pytester.path / 'out' / 'report.json'}*"])
    found = results(pytester, "out/report.json")
    assert [(r["test"].rpartition("::")[2], r["ok"]) for r in found] == [
        ("test_huber[0.75]", True),
        ("test_huber[3.0]", False),
        ("test_huber[6.0]", False),
        ("test_oracle", True),
    ]
    assert found[1]["worst"][0]["verdict"] == "other convention"

    run(pytester, SEVERAL, "--reflosses-report=report.md").assert_outcomes(passed=2, failed=2)
    text = (pytester.path / "report.md").read_text("utf-8")
    assert re.findall(r"^### test_losses.py::(\S+) (is.*) Huber.*: (.*)$", text, re.M) == [
        ("test_huber[0.75]", "is", "formula, digits and range hold"),
        ("test_huber[3.0]", "is not", "other convention"),
        ("test_huber[6.0]", "is not", "other convention"),
        ("test_oracle", "is", "formula, digits and range hold"),
    ]


def test_options_stand_in_the_configuration_too(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nreflosses_seed = 5\nreflosses_report = report.json\n")
    run(pytester, SEVERAL).assert_outcomes(passed=2, failed=2)
    assert {r["seed"] for r in results(pytester)} == {5}
    run(pytester, SEVERAL, "--reflosses-seed=0", "--reflosses-report=other.json")
    assert {r["seed"] for r in results(pytester, "other.json")} == {0}
    before = (pytester.path / "report.json").read_bytes()
    run(pytester, SEVERAL, "--collect-only")
    assert (pytester.path / "report.json").read_bytes() == before


EXPECTED = """
[[deviation]]
function = "test_losses.py::test_huber[{}]"
dtype = "float64"
regime = {}
what = {}
verdict = {}
"""


def expect(pytester: pytest.Pytester, *entries: tuple[str, ...]) -> str:
    (pytester.path / "known.toml").write_text("".join(EXPECTED.format(*entry) for entry in entries), "utf-8")
    return "--reflosses-expect=known.toml"


KNOWN = [
    (delta, '["moderate", "E"]', '["value", "gradient"]', '["inaccurate", "other convention"]')
    for delta in ("3.0", "6.0")
]
GONE = ("0.75", '"E"', '"value"', '"overflow"')


def test_expected_deviations(pytester: pytest.Pytester) -> None:
    done = run(pytester, SEVERAL, expect(pytester, *KNOWN))
    done.assert_outcomes(passed=4)
    assert done.ret == pytest.ExitCode.OK

    done = run(pytester, SEVERAL, expect(pytester, KNOWN[0]))
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["Not expected: *test_huber?6.0?, float64: *"])


def vanished(pytester: pytest.Pytester, *arguments: str) -> None:
    """A session fails, though every test passes, because a listed deviation has vanished."""
    writer = """
    def test_a_worker_writes_no_report(pytestconfig):
        writes = pytestconfig.pluginmanager.has_plugin("reflosses-session")
        assert writes != hasattr(pytestconfig, "workerinput")
    """
    done = run(pytester, SEVERAL + writer, expect(pytester, *KNOWN, GONE), *arguments)
    done.assert_outcomes(passed=5)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    (line,) = [line for line in done.outlines if "not there any more" in line]
    assert "test_huber[0.75], float64, E, value: overflow (" in line


def test_a_deviation_that_has_vanished_fails_the_session(pytester: pytest.Pytester) -> None:
    vanished(pytester)


def test_workers_find_and_report_the_same(pytester: pytest.Pytester) -> None:
    pytest.importorskip("xdist", reason="needs the extra [test]: pytest-xdist")
    vanished(pytester, "--reflosses-report=one.json")
    vanished(pytester, "--reflosses-report=two.json", "-n2")
    assert results(pytester, "two.json") == results(pytester, "one.json")
    assert len(results(pytester, "two.json")) == 4


def test_an_entry_of_a_test_that_was_not_run_has_not_vanished(pytester: pytest.Pytester) -> None:
    expected = expect(pytester, *KNOWN)
    assert run(pytester, SEVERAL, expected, "-k", "oracle or 0.75").ret == pytest.ExitCode.OK


def test_nothing_expected_does_not_excuse_a_candidate_that_cannot_be_asked(pytester: pytest.Pytester) -> None:
    tests = """
    @matches("Huber", delta=0.75, reduction="none", regimes=())
    def test_huber():
        return huber(0.75)
    """
    done = run(pytester, tests, expect(pytester))
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["Not equal to Huber*: nothing could be asked"])


def test_a_file_of_expectations_that_says_nonsense_is_an_error(pytester: pytest.Pytester) -> None:
    done = run(pytester, SEVERAL, expect(pytester, ("3.0", '"Z"', '"value"', '"capped"')), "-k", "huber")
    done.assert_outcomes(errors=3)
    done.stdout.fnmatch_lines(["matches_loss: *known.toml, line 2: regime is 'Z', not one of *"])


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--reflosses-seed=-3", "--reflosses-seed: '-3' is not a natural number"),
        ("--reflosses-limit=never", "--reflosses-limit: 'never' is not a number of seconds above 0"),
        ("--reflosses-seed=three", "--reflosses-seed: 'three' is not a natural number"),
        ("--reflosses-report=report.txt", "--reflosses-report: report.txt does not end in .json or .md"),
        ("--reflosses-expect=nowhere", "--reflosses-expect: */nowhere is not a file"),
    ],
)
def test_options_that_make_no_sense_are_refused(pytester: pytest.Pytester, option: str, words: str) -> None:
    done = run(pytester, SEVERAL, option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines([f"ERROR: {words}"])


# ---- it costs nothing where it is not used ---------------------------------------------------------------------------

CONFTEST = """
import sys

def pytest_collection_finish():
    ours = {"reflosses", "reflosses.pytest_plugin"}
    heavy = {m for m in sys.modules if m.partition(".")[0] in ("numpy", "scipy", "flint", "reflosses")} - ours
    print("imported at collection:", sorted(heavy))
    assert "reflosses.pytest_plugin" in sys.modules
"""


def test_nothing_is_imported_before_the_first_check(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
        import sys
        import pytest

        def test_of_something_else():
            assert "numpy" not in sys.modules

        @pytest.mark.matches_loss("Huber", delta=0.75, regimes=["moderate"])
        def test_huber():
            from reflosses import Huber
            return Huber(delta=0.75).value_and_grad
        """
    )
    done = pytester.runpytest_subprocess(*STRICT, "-s")
    done.stdout.fnmatch_lines(["*imported at collection: []"])
    done.assert_outcomes(passed=2)


@pytest.mark.skipif(not INSTALLED, reason="needs the entry point: pip install -e .")
def test_installed_in_another_project(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\naddopts = ['--strict-markers', '-Werror']\n")
    pytester.makepyfile(
        """
        import pytest

        def hinge(y, yhat):
            return (1 - y * yhat).clip(0), (y * yhat < 1) * -y

        @pytest.mark.matches_loss("Hinge", reduction="none")
        def test_hinge():
            return hinge

        @pytest.mark.matches_loss("Hinge", reduction="none")
        def test_flipped():
            return lambda y, yhat: hinge(-y, yhat)
        """
    )
    done = pytester.runpytest_subprocess(*QUICK)
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(["Not equal to Hinge(reduction='none') in float64: *", "FAILED *test_flipped*"])
    pytester.runpytest(*QUICK, "--markers").stdout.fnmatch_lines(["@pytest.mark.matches_loss(loss, *"])
    pytester.runpytest(*QUICK, "--fixtures").stdout.fnmatch_lines(["loss_oracle*"])
    pytester.runpytest(*QUICK, "--help").stdout.fnmatch_lines(["*--reflosses-seed=N*"])

    without = pytester.runpytest_subprocess(*QUICK, "-p", "no:reflosses")
    assert without.ret == pytest.ExitCode.INTERRUPTED
    without.stdout.fnmatch_lines(["*'matches_loss' not found in `markers` configuration option"])
