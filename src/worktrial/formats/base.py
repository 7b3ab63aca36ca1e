"""What all formats share: frozen, strict about unknown fields, and timestamps in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen value that refuses fields it does not know: a typing slip in a file is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _to_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Timestamp = Annotated[datetime, AfterValidator(_to_utc)]
"""A moment, always stored in UTC."""


def now() -> datetime:
    """Return the present moment in UTC, to the second: finer stamps only make files harder to read."""
    return datetime.now(UTC).replace(microsecond=0)
