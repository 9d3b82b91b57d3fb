"""Benchmarks of sluiceway and of its alternatives. README.md explains how to read and to extend them."""
