"""The environments of `make frameworks`: tests/installed/environments/NAME.txt pins the packages of .cache/NAME.

Frameworks that cannot stand beside each other need two environments, and each framework is tested in the first that
pins it. A new environment is a new file. As a script, this module makes the environment that is named.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
ENVIRONMENTS = sorted(file.stem for file in FOLDER.glob("environments/*.txt"))


def normal(package: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def pins(file: Path) -> list[str]:
    """The pinned distributions of a file, such as "torch==2.13.0"."""
    lines = (line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines())
    return [line for line in lines if line]


def home(package: str) -> str | None:
    """The environment in which a distribution, or its build for CPUs, is tested: the first that pins it, or None."""
    for name in ENVIRONMENTS:
        pinned = {normal(pin.partition("==")[0]) for pin in pins(FOLDER / f"environments/{name}.txt")}
        if pinned & {normal(package), f"{normal(package)}-cpu"}:
            return name
    return None


def make(name: str) -> None:
    """Make an environment. A framework that cannot be installed on this platform is named and left out."""
    where, wanted = ROOT / ".cache" / name, FOLDER / f"environments/{name}.txt"
    shutil.rmtree(where, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    install = [where / "bin/python", "-m", "pip", "install", "-q"]
    subprocess.run([*install, "-r", FOLDER / "checkers.txt"], check=True)
    if subprocess.run([*install, "-r", wanted]).returncode:
        for pin in pins(wanted):
            if subprocess.run([*install, "-c", wanted, pin]).returncode:
                print(f"{pin} cannot be installed here: its tests are skipped", file=sys.stderr)
    subprocess.run([*install, "--no-deps", "-e", ROOT], check=True)


if __name__ == "__main__":
    make(sys.argv[1])
