"""Each tier that is present, for the attacks on sandboxes."""

from __future__ import annotations

from tests.attacks.tiers import opened, sandbox  # noqa: F401
