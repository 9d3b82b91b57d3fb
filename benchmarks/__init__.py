"""Benchmarks: what sluiceway costs, beside what else there is. README.md says how to read and to extend them."""
