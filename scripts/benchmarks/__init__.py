"""Benchmarks that take processes of their own; `scripts/benchmark.py` starts them."""
