"""Test cases as JUnit XML, which CI servers read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

# Characters that XML 1.0 cannot contain, not even as a reference.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class JUnitCase:
    """One test. suite: such as a framework. failure, skipped: the reason, or None. output: any other text."""

    suite: str
    name: str
    seconds: float = 0.0
    failure: str | None = None
    skipped: str | None = None
    output: str = ""


def to_junit(cases: Iterable[JUnitCase], name: str = "reflosses") -> str:
    """The document, to be written as UTF-8. Suites keep the order of their first cases."""
    cases = list(cases)
    root = ET.Element("testsuites", _summary(name, cases))
    for suite in dict.fromkeys(case.suite for case in cases):
        own = [case for case in cases if case.suite == suite]
        element = ET.SubElement(root, "testsuite", _summary(suite, own))
        for case in own:
            told = {"classname": _writable(suite), "name": _writable(case.name), "time": f"{case.seconds:.3f}"}
            test = ET.SubElement(element, "testcase", told)
            if case.failure is not None:
                text = _writable(case.failure)
                ET.SubElement(test, "failure", message=text.partition("\n")[0]).text = text
            if case.skipped is not None:
                ET.SubElement(test, "skipped", message=_writable(case.skipped))
            if case.output:
                ET.SubElement(test, "system-out").text = _writable(case.output)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _summary(name: str, cases: list[JUnitCase]) -> dict[str, str]:
    return {
        "name": _writable(name),
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.skipped is not None for case in cases)),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }


def _writable(text: str) -> str:
    """A text in which characters that XML forbids are written as escapes, such as \\x00."""
    return FORBIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)
