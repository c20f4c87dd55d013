"""What every test shares: REFLOSSES_NO_SKIPS turns a skipped test into a failure of the run."""

import gc
import os
import signal

import pytest
from needed import ELSEWHERE

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts a job in the background; children inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def flint() -> None:
    """For tests that need certified numbers. Without python-flint, check and diagnose compare with our own."""
    pytest.importorskip("flint", reason="needs the extra [truth]: python-flint")


def pytest_collection_finish() -> None:
    """The tests themselves live to the end: garbage collections need not look at ten thousand of them."""
    gc.collect()
    gc.freeze()


def missed(reporter: pytest.TerminalReporter) -> bool:
    """Whether a test was skipped that no environment runs."""
    return any(ELSEWHERE not in str(report.longrepr) for report in reporter.stats.get("skipped", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get("REFLOSSES_NO_SKIPS") and missed(terminalreporter):
        terminalreporter.write_line("skipped tests count as failures (REFLOSSES_NO_SKIPS)", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("REFLOSSES_NO_SKIPS") and reporter is not None and missed(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
