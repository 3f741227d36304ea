"""Benchmarks: many samples a problem, judged by the reward server; estimates with errors; runs compared."""
