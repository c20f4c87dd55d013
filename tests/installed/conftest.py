"""Whole files of tests that are about packages of another environment are not read."""

from needed import is_elsewhere

NEEDS = {
    "test_bench.py": ("torch", "jax"),
    "test_candidates.py": ("torch", "jax"),
    "test_clients.py": ("ml_dtypes",),
    "test_verdict_rows.py": ("torch", "jax"),
}
collect_ignore = [name for name, packages in NEEDS.items() if any(map(is_elsewhere, packages))]
