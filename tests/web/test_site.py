"""The site, driven in Chromium: `make test-site`. The pages are in .cache/site, node's modules in .cache/web.

`drive.mjs` opens every page and writes down what it sees. Here it is judged: no error, no request to the outside, every
formula set, figures that react and have the numbers of the library, contrast, size, speed, no sideways scrolling.
"""

import json
import math
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import reflosses
from reflosses import catalogue
from reflosses.teaching.web.mathematics import Formulas
from reflosses.teaching.web.movable import MOVABLE, Figure, library_loss, movable_figure, numbers_of_library

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("REFLOSSES_SITE", ROOT / ".cache" / "site"))
MODULES = Path(os.environ.get("REFLOSSES_NODE_MODULES", ROOT / ".cache" / "web" / "node_modules"))
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

FIRST_VIEW = 1000  # milliseconds
BYTES = 500_000  # beside fonts
CLOSE = 1e-12  # relative, between a figure and the library
LEAST_POSITIONS = 50
PARTS = 2  # browsers at once

each_page = pytest.mark.parametrize("page", PAGES)
each_loss = pytest.mark.parametrize("stem", sorted(MOVABLE))


def browser() -> str:
    """The Chromium of this machine; the test fails if there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail(f"none of {', '.join(BROWSERS)} is on the PATH: apt-get install chromium, or set CHROMIUM")
    return found


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the driver saw, by page."""
    folder, script = tmp_path_factory.mktemp("seen"), Path(__file__).parent / "drive.mjs"
    node = shutil.which("node")
    assert node is not None, "node is not on the PATH"
    outs = [folder / f"{part}.json" for part in range(PARTS)]
    running = [
        subprocess.Popen([node, script, SITE, MODULES, browser(), out, str(part), str(PARTS)])
        for part, out in enumerate(outs)
    ]
    assert [process.wait() for process in running] == [0] * PARTS
    return {page: what for out in outs for page, what in json.loads(out.read_text("utf-8")).items()}


def test_there_is_a_site() -> None:
    assert len(PAGES) > 100, f"{SITE} has no site: `make site` builds it"
    assert {"index.html", "api.html", "accuracy.html", "speed.html", "atlas.html", "check.html"} <= set(PAGES)
    assert {f"{catalogue.stem(cls)}.html" for cls in catalogue.losses().values()} <= set(PAGES)


def test_the_reference_has_every_public_name() -> None:
    body = (SITE / "api.html").read_text("utf-8")
    assert len(reflosses.__all__) > 20
    for name in {*reflosses.__all__, "Loss.value_and_grad", "overlap.hard_dice"} - {"Loss", "overlap"}:
        assert f'<h3 id="{name}">' in body


def test_a_formula_that_cannot_be_set_stops_the_build_and_is_named() -> None:
    formulas = Formulas()
    formulas.mark("x^2", "derivations/huber.md", 3)
    formulas.mark(r"\frc{1}{2}", "derivations/huber.md", 7)
    formulas.mark("½", "derivations/dice.md", 9, display=True)
    with pytest.raises(ValueError, match=r"(?s)huber\.md:7: .*\\frc\{1\}\{2\}.*dice\.md:9: ") as raised:
        formulas.set(MODULES)
    assert "huber.md:3" not in str(raised.value)


@each_page
def test_a_page_opens_without_an_error_or_a_request_to_the_outside(page: str, seen: dict[str, Any]) -> None:
    assert not seen[page]["errors"]
    assert not seen[page]["outside"]


@each_page
def test_every_formula_is_set(page: str, seen: dict[str, Any]) -> None:
    found = seen[page]["mathematics"]
    assert found["wrong"] == 0
    assert not found["raw"]
    if page.removesuffix(".html") in MOVABLE:
        assert found["set"] > 20


@each_page
def test_a_page_is_quick_and_small(page: str, seen: dict[str, Any]) -> None:
    assert seen[page]["firstView"] < FIRST_VIEW
    loaded = [name for name in seen[page]["loaded"] if not name.endswith(".woff2")]
    assert page in loaded
    assert sum((SITE / name).stat().st_size for name in loaded) < BYTES


@each_page
def test_nothing_scrolls_sideways(page: str, seen: dict[str, Any]) -> None:
    assert [layout["width"] for layout in seen[page]["layouts"]] == [1360, 360]
    for layout in seen[page]["layouts"]:
        assert layout["needs"] <= layout["width"]


@each_page
def test_contrast_alternative_texts_and_roles(page: str, seen: dict[str, Any]) -> None:
    for theme in ("light", "dark") if seen[page]["thorough"] else ():
        assert not seen[page][theme]


def test_the_theme_can_be_switched(seen: dict[str, Any]) -> None:
    (auto, light, dark, again) = seen["index.html"]["themes"]
    assert [name for name, _ in (auto, light, dark, again)] == ["", "light", "dark", ""]
    assert auto[1] == light[1] == again[1] != dark[1]


def test_search_finds_a_page_and_opens_it(seen: dict[str, Any]) -> None:
    found = seen["index.html"]["search"]
    assert "Huber" in found["found"][0]
    assert found["address"].partition("#")[0].endswith("/huber.html")


def test_a_link_to_a_heading_ends_at_it(seen: dict[str, Any]) -> None:
    assert 50 < seen["index.html"]["landing"] < 110  # just below the bar; figures above it are loaded late


@cache
def figure(stem: str) -> Figure:
    return movable_figure(stem, (ROOT / "derivations" / f"{stem}.md").read_text("utf-8"))


def close(got: float, exact: float) -> bool:
    return math.isclose(got, exact, rel_tol=CLOSE, abs_tol=1e-300)


@each_loss
def test_a_figure_has_the_numbers_of_the_library(stem: str, seen: dict[str, Any]) -> None:
    states = seen[f"{stem}.html"]["movable"]
    assert len({json.dumps(state["at"]) for state in states}) >= LEAST_POSITIONS
    kinks = 0
    for state in states:
        value, grad = numbers_of_library(figure(stem), state["at"])
        assert close(state["value"], value), state
        if state["grad"] is None:  # the page displays no slope there
            loss, y, yhat = library_loss(figure(stem), state["at"])
            low, high = loss.subgradient(y, yhat)
            assert low < high, state
            kinks += 1
        else:
            assert close(state["grad"], grad), state
    assert kinks < 10


@each_loss
def test_a_figure_reacts_to_keys_mouse_fingers_and_sliders(stem: str, seen: dict[str, Any]) -> None:
    states = seen[f"{stem}.html"]["movable"]
    movable = MOVABLE[stem]
    last = round((movable.high - movable.low) / movable.step)
    start = states[0]["now"]
    assert [state["now"] for state in states[1:5]] == [start + 1, start + 2, start + 3, min(last, start + 13)]
    by_key = {state["by"]: state["now"] for state in states[:11]}
    assert (by_key["Home"], by_key["End"]) == (0, last)
    for way in ("mouse", "touch"):
        assert len({state["now"] for state in states if state["by"] == way}) > 4, way
    after = [state["at"] for state in states if state["by"] == "slider"]
    assert len({json.dumps(at) for at in after}) > 3


@pytest.mark.parametrize("stem", sorted(stem for stem, movable in MOVABLE.items() if movable.wide))
def test_where_the_displayed_formula_loses_digits_the_library_does_not(stem: str, seen: dict[str, Any]) -> None:
    states = seen[f"{stem}.html"]["digits"]
    assert len({state["x"] for state in states}) >= LEAST_POSITIONS // 2
    worst = 0.0
    for state in states:
        for got, ours, exact in zip((state["value"], state["grad"]), state["ours"], state["certified"], strict=True):
            assert close(ours, exact), state
            worst = max(worst, abs(got - exact) / abs(exact)) if got is not None and exact else worst
    assert worst > 0.5
