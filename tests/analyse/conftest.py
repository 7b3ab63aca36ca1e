"""Makes the fake runs of tests/report importable."""

from __future__ import annotations
