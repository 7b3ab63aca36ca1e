"""Budgets: what a run, an agent and a trial may spend, and how requests that are under way are reckoned with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Budget:
    """Money and tokens that may be spent together by whoever shares it. Unknown costs are not counted: see `known`."""

    limit_usd: float | None
    """None: without limit."""
    spent_usd: float = 0.0
    limit_tokens: int | None = None
    """Input and output together. None: without limit."""
    spent_tokens: int = 0
    known: bool = True
    """False once a cost was unknown: `spent_usd` is then a lower bound."""

    def charge(self, cost_usd: float | None, tokens: int = 0) -> None:
        """Add what one request cost; None is unknown."""
        self.spent_tokens += tokens
        if cost_usd is None:
            self.known = False
        else:
            self.spent_usd += cost_usd

    @property
    def exhausted(self) -> bool:
        """Whether nothing more may be spent."""
        return self.would_exhaust(0.0, 0)

    def would_exhaust(self, usd: float, tokens: int) -> bool:
        """Whether nothing more may be spent once so much more is."""
        money = self.limit_usd is not None and self.spent_usd + usd >= self.limit_usd
        return money or (self.limit_tokens is not None and self.spent_tokens + tokens >= self.limit_tokens)


@dataclass(frozen=True)
class Hold:
    """What a request under way is expected to cost."""

    usd: float
    tokens: int


class Account:
    """A budget with the requests under way that will be charged to it.

    A request is let in when the budget would not be exhausted by those under way, if they cost what is expected of
    them. So trials that run at the same time pass the limit by one request together, not by one each, as far as the
    expectations hold. A request that is not let in waits until another is charged, and is refused when the budget is
    exhausted for good.
    """

    def __init__(self, name: str, budget: Budget) -> None:
        self.name = name
        self.budget = budget
        self._holds: list[Hold] = []

    @property
    def room(self) -> bool:
        """Whether one more request may be made now."""
        usd, tokens = sum(hold.usd for hold in self._holds), sum(hold.tokens for hold in self._holds)
        return not self.budget.would_exhaust(usd, tokens)

    @property
    def bounded(self) -> bool:
        """Whether there is any limit."""
        return self.budget.limit_usd is not None or self.budget.limit_tokens is not None

    def hold(self, hold: Hold) -> None:
        """Reckon with a request that begins."""
        self._holds.append(hold)

    def release(self, hold: Hold) -> None:
        """A request is over."""
        self._holds.remove(hold)


class Exhausted(Exception):  # noqa: N818 - it is answered, never shown as an error of ours
    """A budget is spent; `account` is whose."""

    def __init__(self, account: Account) -> None:
        super().__init__(account.name)
        self.account = account


class Till:
    """Lets requests in as the accounts they are charged to allow, and charges them."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    async def enter(self, accounts: Iterable[Account], hold: Hold) -> None:
        """Wait until there is room in every account, and hold what the request may cost. Raises `Exhausted`."""
        bounded = [account for account in accounts if account.bounded]
        while True:
            for account in bounded:
                if account.budget.exhausted:
                    raise Exhausted(account)
            if all(account.room for account in bounded):
                break
            self._changed.clear()
            await self._changed.wait()
        for account in bounded:
            account.hold(hold)

    def leave(self, accounts: Iterable[Account], hold: Hold, cost_usd: float | None, tokens: int) -> None:
        """Charge a request that is over. One that never went out, or was refused, costs 0."""
        for account in accounts:
            if account.bounded:
                account.release(hold)
            account.budget.charge(cost_usd, tokens)
        self._changed.set()
