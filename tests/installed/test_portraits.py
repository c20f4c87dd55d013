"""Portraits: small files with the same bytes every time, in which every wrong number can be seen."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import portraits
import pytest
from needed import need

import reflosses
from reflosses.__main__ import main
from reflosses.comparison.formats import FORMATS
from reflosses.comparison.one_prediction import ends
from reflosses.reporting.figure import BAND, COLOURS, EDGE, LEFT, WIDTH
from reflosses.reporting.float_axis import FloatAxis

LOSS = reflosses.BinaryCrossEntropyWithLogits(reduction="none")
F16 = FORMATS["float16"]


def right(y, z):
    return LOSS.value_and_grad(y, z)


def naive(y, z):
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)), p - y


def wrong_at(x):
    def candidate(y, z):
        value, grad = right(y, z)
        return np.where((z == x) & (np.signbit(z) == np.signbit(x)), 77.0, value), grad

    return candidate


def paths(svg):
    """The colour and the horizontal extents of each area of a figure."""
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        fill = re.search(r"fill: (#\w+)", element.get("style", ""))
        for part in element.get("d").split("M")[1:]:
            x = [float(a) for a in re.findall(r"(?:^|[LH])([\d.]+)", part)]
            y = [float(a) for a in re.findall(r"(?:V|^[\d.]+ |L[\d.]+ )([\d.]+)", part)]
            yield fill and fill[1], min(x), max(x), max(y) - min(y)


@pytest.mark.parametrize("place", [-F16.last - 1, -1, 0, 12345, F16.last])
def test_one_wrong_number_is_seen(place, tmp_path):
    wrong = float(F16.numbers(place, place + 1)[0])
    out = tmp_path / "one.svg"
    found = reflosses.portrait(wrong_at(wrong), LOSS, dtype="float16", y=1.0, out=out)
    value = found.censuses[0].targets[0].value
    assert value.right == value.asked - 1
    (verdict,) = value.verdicts
    drawn = [p for p in paths(out.read_text("utf-8")) if p[0] == COLOURS[verdict]]
    axis = FloatAxis(F16, *ends(LOSS, F16), WIDTH - LEFT - EDGE)
    here = LEFT + float(axis.at(wrong))
    _, errors, band = drawn  # the first is in the legend
    assert errors[3] > band[3] == BAND
    for _, low, high, _ in (errors, band):
        assert low <= here <= high
    assert band[2] - band[1] >= 2


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    code = (
        "import sys, numpy, reflosses; sys.path[:0] = [sys.argv[2]]; from test_portraits import LOSS, naive; "
        "reflosses.portrait(naive, LOSS, dtype='float16', out=sys.argv[1])"
    )
    for name in ("one.svg", "two.svg", "one.png", "two.png"):
        subprocess.run([sys.executable, "-c", code, tmp_path / name, portraits.__file__[:-13]], check=True)
    for kind in ("svg", "png"):
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two
    assert b"<text" in (tmp_path / "one.svg").read_bytes()
    assert not re.search(rb"\b20\d\d-\d\d", (tmp_path / "one.svg").read_bytes())


def test_words_and_files_of_several_candidates(tmp_path):
    out = tmp_path / "several.svg"
    found = reflosses.portrait({"right": right, "naive": naive}, LOSS, dtype="float16", y=[0, 1], out=out)
    found.save(tmp_path / "several.png")
    texts = [e.text for e in ET.fromstring(out.read_text("utf-8")).iter("{http://www.w3.org/2000/svg}text")]
    assert {"right", "naive", "y = 0", "y = 1", "value", "gradient", "½", "16", "20", "∞", "−1", "0", "1"} <= set(texts)
    assert {"overflow", "spurious inf/NaN", "spurious zero", "inaccurate"} <= set(texts)
    assert texts.count("all correctly rounded") == 2
    assert "z: all 63,488 numbers of float16 in their order" in texts
    assert out.stat().st_size < 60_000
    assert min(float(size) for size in re.findall(r"font(?:-size)?: [a-z ]*([\d.]+)px", out.read_text("utf-8"))) >= 9
    assert (tmp_path / "several.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_line_draws_targets_in_processes_of_their_own(tmp_path, monkeypatch, capsys):
    names = [f"a_function_with_a_rather_long_name_for_a_heading_{k}" for k in (1, 2)]
    code = "".join(f"def {name}(y, yhat):\n    return (yhat - y) ** 2, 2 * (yhat - y)\n" for name in names)
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    words = ["portrait", *(f"mine.py:{name}" for name in names), "--loss", "MeanSquaredError", "reduction=none"]
    assert main([*words, "--dtype", "float16", "--y", "0,1", "--out", "mine.svg"]) == 0
    assert "Written to mine.svg." in capsys.readouterr().err
    texts = [e.text for e in ET.parse("mine.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"y = 0", "y = 1", "value", "gradient", "all right"} <= set(texts)
    headings = [text for text in texts if text.startswith("…")]
    assert [name.endswith(text[1:]) for name, text in zip(names, headings, strict=True)] == [True, True]


def test_an_interrupt_leaves_a_portrait_of_what_was_asked(tmp_path):
    def tick(name, done, total):
        if name == "second" and done:
            raise KeyboardInterrupt

    out = tmp_path / "some.svg"
    with pytest.raises(KeyboardInterrupt) as stop:
        reflosses.portrait({"first": right, "second": naive}, LOSS, dtype="float16", y=[1], out=out, tick=tick)
    (found,) = stop.value.args
    assert [c.interrupted for c in found.censuses] == [False, True]
    assert "first" in out.read_text("utf-8")


def test_the_program_draws_a_function_and_says_why_it_draws_another_not(tmp_path):
    need("torch", "scikit-learn")
    drawn, skipped = portraits.portraits(tmp_path, ["torch.softplus", "sklearn.log_loss", "sklearn.HuberLoss"])
    assert {name: path.name for name, path in drawn.items()} == {"torch.softplus": "torch.softplus.bfloat16.svg"}
    assert skipped == {
        "sklearn.log_loss": "it takes a call for each number",
        "sklearn.HuberLoss": "float32 takes more than a minute, and it takes no narrower dtype",
    }
    assert 4_000 < drawn["torch.softplus"].stat().st_size < portraits.MOST_BYTES


def test_the_figure_of_the_readme_has_four_candidates(tmp_path):
    need("torch", "optax", "keras")
    found = portraits.readme(tmp_path / "readme.svg", "bfloat16")
    assert [c.name for c in found.censuses] == ["PyTorch", "JAX (Optax)", "Keras (on JAX)", "reflosses"]
    assert [len(c.targets) for c in found.censuses] == [2, 2, 2, 2]
    assert found.censuses[3].ok
    assert (tmp_path / "readme.svg").stat().st_size < portraits.MOST_BYTES


def test_files_of_the_repository_are_small_and_current_in_their_words():
    files = sorted(portraits.FOLDER.glob("*.svg"))
    assert sum(path.stat().st_size for path in files) < portraits.MOST_OF_ALL
    for path in files:
        assert path.stat().st_size < portraits.MOST_BYTES
        text = path.read_text("utf-8")
        assert "½ ulp: correctly rounded" in text
        assert path.stem.rpartition(".")[2] in text
