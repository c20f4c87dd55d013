"""Exact results: losses are proved in ball arithmetic, and float64 results are measured against the proof."""

from reflosses.truth.proof import certify as certify
