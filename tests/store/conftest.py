"""The cache of the session; no test touches the user's."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.e2e, which other folders use too

from tests.e2e.fixtures import _cache_of_the_session, session_cache  # noqa: F401
