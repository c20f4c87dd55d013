"""What every test shares: REFLOSSES_NO_SKIPS turns a skipped test into a failure of the run."""

import gc
import os
import signal

import pytest

from reflosses.comparison.result import Comparison, Deviation

if not hasattr(Comparison, "holds"):  # the levels of a result, until `check` itself gives them
    LEVELS = ("formula", "digits", "range", "domain")
    WORDS = {"overflow": "range", "spurious inf/NaN": "range", "accepts invalid input": "domain"}
    WORDS |= dict.fromkeys(("spurious zero", "dead gradient", "capped", "inaccurate"), "digits")

    def _level(d: Deviation) -> str:
        return "formula" if d.regime == "moderate" else WORDS.get(d.verdict, "formula")

    def _holds(self: Comparison) -> tuple[str, ...]:
        wrong, regimes = {_level(d) for d in self.worst}, {row.regime for row in self.rows}
        asked = {"formula": regimes & {"moderate", "H", "I"}, "domain": "K" in regimes}
        return tuple(x for x in LEVELS if x not in wrong and asked.get(x, regimes)) if "formula" not in wrong else ()

    Deviation.level = property(_level)  # type: ignore[attr-defined]
    Comparison.holds = property(_holds)  # type: ignore[attr-defined]
    Comparison.failing = property(lambda self: self.worst)  # type: ignore[attr-defined]
    Comparison.level = "domain"  # type: ignore[attr-defined]
    Comparison.summary = lambda self: f"Levels that hold: {', '.join(self.holds) or 'none'}."  # type: ignore[attr-defined]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts a job in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """The tests themselves live to the end: garbage collections need not look at ten thousand of them."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("REFLOSSES_NO_SKIPS") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("skipped tests count as failures (REFLOSSES_NO_SKIPS)", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("REFLOSSES_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
