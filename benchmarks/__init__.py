"""Throughput and latency, side by side with peers: one run, one machine, Apache Kafka and Redis beside the contender.

`python -m benchmarks` (or `make bench`) makes a seeded load, trains a model on it, lets each contender do the same job
on the same bytes, and writes `RESULTS.md`, `results/latest.json` and the plot. The contenders are in `contenders/`.
"""
