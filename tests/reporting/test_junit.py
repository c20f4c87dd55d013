"""A report as JUnit XML: well-formed whatever was said, and read back as it was written."""

from xml.etree import ElementTree as ET

import pytest

from reflosses.reporting.junit import JUnitCase, to_junit

OVERFLOW = "is not Huber: overflow\nF, huge: value is inf\n    x = 1"
CASES = [
    JUnitCase("torch", "torch.huber_loss, float32", 0.25),
    JUnitCase("torch", "torch.huber_loss, float16", 1.5, failure=OVERFLOW),
    JUnitCase("keras", "keras", skipped="keras is not installed"),
    JUnitCase("torch", "torch.l1_loss, float32", 0.125, output="<why> & ]]> not\n"),
]


def parsed(cases: list[JUnitCase]) -> ET.Element:
    return ET.fromstring(to_junit(cases).encode("utf-8"))


def test_suites_count_and_add_up() -> None:
    root = parsed(CASES)
    assert root.tag == "testsuites"
    whole = {"name": "reflosses", "tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "1.875"}
    assert root.attrib == whole
    torch, keras = root
    assert torch.attrib == whole | {"name": "torch", "tests": "3", "skipped": "0"}
    assert keras.attrib == whole | {"name": "keras", "tests": "1", "failures": "0", "time": "0.000"}
    assert [case.get("name") for case in torch] == [c.name for c in CASES if c.suite == "torch"]
    assert [case.get("time") for case in torch] == ["0.250", "1.500", "0.125"]
    assert {case.get("classname") for case in torch} == {"torch"}


def test_failures_skips_and_output() -> None:
    (right, wrong, talks), (skipped,) = parsed(CASES)
    assert len(right) == 0
    assert [(e.tag, e.get("message"), e.text) for e in wrong] == [
        ("failure", "is not Huber: overflow", CASES[1].failure)
    ]
    assert [(e.tag, e.get("message")) for e in skipped] == [("skipped", "keras is not installed")]
    assert [(e.tag, e.text) for e in talks] == [("system-out", CASES[3].output)]


def test_an_empty_failure_is_one() -> None:
    assert parsed([JUnitCase("a", "b", failure="")]).get("failures") == "1"
    assert parsed([]).get("tests") == "0"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Ω − π 😀 \u2028", "Ω − π 😀 \u2028"),
        ("<a b='\"'>&amp;", "<a b='\"'>&amp;"),
        ("\x00\x1b[31m\x08\x7f", "\\x00\\x1b[31m\\x08\x7f"),
        ("\ud800\ufffe\uffff", "\\ud800\\ufffe\\uffff"),
    ],
)
def test_every_text_can_be_written(text: str, read: str) -> None:
    ((case,),) = parsed([JUnitCase(text, text, failure=text, skipped=text, output=text)])
    failure, skipped, output = case
    seen = {case.get("name"), case.get("classname"), failure.text, failure.get("message"), skipped.get("message")}
    assert seen == {output.text} == {read}


def test_the_document_says_that_it_is_utf_8() -> None:
    text = to_junit(CASES, "mine")
    assert text.startswith('<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="mine"')
    assert text.endswith("</testsuites>\n")
