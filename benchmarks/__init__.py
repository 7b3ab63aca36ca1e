"""Benchmarks: one file each, run by `make bench NAME=…`; the last line each prints is one JSON object."""
