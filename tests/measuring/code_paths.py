"""Run the accuracy sweep, `check` and `diagnose` of our own losses, on each code path that NumPy has on this machine.

    python tests/measuring/code_paths.py [POINTS]

The paths are: as it is, without AVX-512, baseline. NumPy's exp, log and their like differ by an ulp between them.
"""

import importlib
import importlib.util
import os
import re
import subprocess
import sys

TESTS = (
    "tests/truth/test_accuracy.py",
    "tests/test_checking.py::test_our_own_losses_are_right",
    "tests/diagnosis/test_search.py::test_nothing_fires_on_our_own_losses",
    "tests/diagnosis/test_search.py::test_nothing_fires_on_our_own_reduced_losses",
)


def paths() -> dict[str, str]:
    """The names of the code paths, and the features to switch off for each."""
    core = "numpy._core" if importlib.util.find_spec("numpy._core") else "numpy.core"  # before NumPy 2
    umath = importlib.import_module(f"{core}._multiarray_umath")
    enabled = [f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f)]
    wide = [f for f in enabled if re.match(r"AVX512|X86_V4", f)]
    return {"default": "", "AVX2": " ".join(wide), "baseline": " ".join(enabled)}


def main() -> int:
    points = sys.argv[1] if len(sys.argv) > 1 else "12000"
    done: set[str] = set()
    status = 0
    for name, disabled in paths().items():
        if disabled in done:
            print(f"code path {name}: the same as the one before on this machine")
            continue
        done.add(disabled)
        print(f"code path {name}: {f'without {disabled}' if disabled else 'every feature'}", flush=True)
        environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": disabled, "REFLOSSES_POINTS": points}
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal", *TESTS]
        status |= subprocess.run(command, env=environment, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
