"""Every framework is pinned in an environment of `make frameworks`, and a test that another one runs may be skipped."""

import tomllib
from types import SimpleNamespace
from typing import Any

import needed
import pytest
from conftest import missed
from environments import ENVIRONMENTS, FOLDER, ROOT, home, pins

from reflosses.frameworks.function import frameworks

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


@pytest.mark.parametrize("framework", list(frameworks()), ids=lambda f: f.name)
def test_every_framework_has_an_environment_and_its_extra_installs_it(framework: Any) -> None:
    assert home(framework.package)
    if framework.extra:
        assert any(line.partition(">")[0] == framework.package for line in EXTRAS[framework.extra])


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_one_version_of_each_package(name: str) -> None:
    found = pins(FOLDER / f"environments/{name}.txt")
    assert all(pin.count("==") == 1 for pin in found)
    assert len({pin.partition("==")[0] for pin in found}) == len(found)
    assert {"numpy", "scipy"} <= {pin.partition("==")[0] for pin in found}


def test_a_package_is_found_however_its_name_is_written() -> None:
    assert home("Scikit_Learn") == home("scikit-learn") == "frameworks"
    assert home("no-such-package") is None


def test_only_a_skip_that_no_environment_makes_good_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def reporter(*reasons: str) -> Any:
        return SimpleNamespace(
            stats={"skipped": [SimpleNamespace(longrepr=("f.py", 3, f"Skipped: {r}")) for r in reasons]}
        )

    with pytest.raises(pytest.skip.Exception, match=r"^no-such-package is not installed$"):
        needed.need("numpy", "no-such-package")
    assert missed(reporter("no-such-package is not installed"))
    monkeypatch.setattr(needed.sys, "prefix", f"/somewhere/{ENVIRONMENTS[0]}")
    monkeypatch.setattr(needed, "home", lambda package: "another")
    with pytest.raises(pytest.skip.Exception) as skipped:
        needed.need("torch")
    assert not missed(reporter(str(skipped.value)))
    assert missed(reporter(str(skipped.value), "no compiler"))
    assert not missed(SimpleNamespace(stats={}))
