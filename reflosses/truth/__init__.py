"""What is exactly right: losses proved in ball arithmetic, and how far a float64 result is from that."""

from reflosses.truth.proof import certify as certify
