"""Who gives way where all places are taken: the request that has been arriving longest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from s2s_zoo.apps.serving.refused import Refused

PATIENCE = 1.0  # seconds that a body may take while others wait for its place


class Arriving:
    """The requests whose bodies are not there yet, in the order in which they began."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Timeout, float] = {}

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Is one of them while it is entered.

        Raises:
            Refused: 408 if it had to give way.
        """
        try:
            async with asyncio.timeout(None) as limit:
                self._since[limit] = asyncio.get_running_loop().time()
                try:
                    yield
                finally:
                    self._since.pop(limit, None)
        except TimeoutError:
            raise Refused(
                408, f"The body took longer than {PATIENCE:g} s while others waited. Send it again."
            ) from None

    def give_way(self) -> bool:
        """Ends the one that has been arriving longest; False where none is slow."""
        now = asyncio.get_running_loop().time()
        limit, since = next(iter(self._since.items()), (None, now))
        if limit is None or now - since < PATIENCE:
            return False
        del self._since[limit]
        limit.reschedule(now)
        return True
