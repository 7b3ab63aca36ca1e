"""Groups of tests that one worker does: pytest-xdist's, which pytest 9.2 has become deaf to."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the scheduler of groups by the ids of tests, as pytest-xdist means to.

    Its version 3.8 adds them to `_nodeid`, which pytest reads no more as of 9.2 (pytest-dev/pytest-xdist#1386). Groups
    were ignored without a word, and every worker made for itself what only one of them was to make.
    """
    for item in items:
        grouped = getattr(item, "_nodeid", item.nodeid)
        if grouped != item.nodeid:
            item._id = type(item.id).parse(grouped)
