"""Benchmarks: run by hand, e.g. ``python -m tests.bench.ingest``. They print throughput, a ratio to a limit measured in
the same run, and peak memory; CI runs only a smaller smoke of them."""
