"""Tests say which packages they need, and leave out those that `make frameworks` tests in another environment."""

import sys
from pathlib import Path

import pytest
from environments import ENVIRONMENTS, home

from reflosses.frameworks.function import installed_version

ELSEWHERE = "is tested in another environment"  # a reason to skip that REFLOSSES_NO_SKIPS allows


def is_elsewhere(package: str) -> bool:
    """Whether a distribution is tested in another environment. In one that is none of ours, everything is tested."""
    here = Path(sys.prefix).name
    return here in ENVIRONMENTS and home(package) not in (here, None)


def need(*packages: str) -> None:
    """Skip a test if one of these distributions is not installed or is tested in another environment."""
    for package in packages:
        if is_elsewhere(package):
            pytest.skip(f"{package} {ELSEWHERE}")
        if installed_version(package) is None:
            pytest.skip(f"{package} is not installed")
