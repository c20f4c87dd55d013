"""The battery alone finds the defects that people reported one by one; so does asking every number."""

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from known_defects import KNOWN, MENDED, OF_IMAGES, OF_TREES, Known, Mended
from needed import need

from reflosses.comparison.expected import parts
from reflosses.comparison.formats import FORMATS
from reflosses.frameworks.function import find
from reflosses.frameworks.scripts import checked, exhausted

ONE_PREDICTION = frozenset("ABCDF")  # regimes of a loss that stands alone, at finite inputs
NARROW = ("bfloat16", "float16")


@pytest.mark.parametrize("known", KNOWN + OF_IMAGES + OF_TREES, ids=lambda k: f"{k.thread} {k.function} {k.dtype}")
def test_a_reported_defect_is_found(known: Known) -> None:
    framework, function = known.asked()
    need(framework.package)
    for given in [known.given] if known.given is not None else function.tried:
        result = checked(framework, function, given, known.dtype, regimes=list(known.regimes), diagnose=False)
        if any((d.what, d.verdict) == (known.what, known.verdict) for d in result.worst):
            return
    pytest.fail(f"{known.url}: {known.verdict} is not found in {', '.join(known.regimes)}")


@pytest.mark.parametrize("mended", MENDED, ids=lambda m: f"{m.thread} {m.function}")
def test_a_defect_that_was_mended_does_not_come_back(mended: Mended) -> None:
    framework, function = find(mended.function)
    need(framework.package)
    given = function.parameters | mended.given
    factor, loss = parts(function.loss(given))
    y, yhat = np.float32(mended.y), np.float32(mended.yhat)
    answer = framework.candidate(function, given, FORMATS["float32"]).ask(y, yhat)
    for got, due in zip(answer[:2], loss.value_and_grad(y.astype(np.float64), yhat.astype(np.float64)), strict=True):
        np.testing.assert_allclose(got, factor * due, rtol=1e-6, atol=FORMATS["float32"].tiny)


def shares(known: Known) -> dict[str, float]:
    """The part of all numbers of a narrow format that has each verdict, at the target where it is largest."""
    framework, function = known.asked()
    dtype = next(d for d in (known.dtype, *NARROW) if d in NARROW and d in function.dtypes)
    found: dict[str, float] = {}
    for given in [known.given] if known.given is not None else function.tried:
        if function.loss(given).reduction != "none":  # one call for each number: half a minute
            continue
        for target in exhausted(framework, function, given, dtype).targets:
            column = target.value if known.what == "value" else target.gradient
            for verdict, count in column.verdicts.items():
                found[verdict] = max(found.get(verdict, 0.0), count / column.asked)
    return found


def concerns_one_prediction(known: Known) -> bool:
    """Whether the defect shows at finite predictions of one loss, in a function that takes a narrow format."""
    _, function = find(known.function)
    return (
        bool(set(known.regimes) & ONE_PREDICTION) and known.dtype != "float64" and bool({*NARROW} & {*function.dtypes})
    )


@pytest.mark.parametrize(
    "known", [k for k in KNOWN if concerns_one_prediction(k)], ids=lambda k: f"{k.thread} {k.function}"
)
def test_a_reported_defect_of_one_prediction_is_seen_at_its_share_of_the_numbers(known: Known) -> None:
    need(find(known.function)[0].package)
    assert shares(known).get(known.verdict, 0.0) > 0, known.url
