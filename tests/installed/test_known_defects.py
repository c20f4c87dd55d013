"""The battery alone finds the defects that people reported one by one."""

from dataclasses import replace

import pytest

pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")

from known_defects import KNOWN, Known

from reflosses.frameworks.function import find
from reflosses.frameworks.scripts import checked


@pytest.mark.parametrize("known", KNOWN, ids=lambda k: f"{k.thread} {k.function} {k.dtype}")
def test_a_reported_defect_is_found(known: Known) -> None:
    framework, function = find(known.function)
    function = replace(function, equals=known.equals or function.equals)
    if framework.version is None:
        pytest.skip(f"{framework.name} is not installed")
    for given in [known.given] if known.given is not None else function.tried:
        result = checked(framework, function, given, known.dtype, regimes=list(known.regimes), diagnose=False)
        if any((d.what, d.verdict) == (known.what, known.verdict) for d in result.worst):
            return
    pytest.fail(f"{known.url}: {known.verdict} is not found in {', '.join(known.regimes)}")
