"""What tests of the view share: a browser that must complain of nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page
from tests.report.conftest import chromium  # noqa: F401


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:  # noqa: F811
    """A page of a browser, which must complain of nothing."""
    complaints: list[str] = []
    context = chromium.new_context()
    context.on("console", lambda message: complaints.append(message.text))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()
    assert complaints == []
