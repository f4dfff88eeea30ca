"""How long the loop takes, side by side with a peer: ``python -m benchmarks``."""
