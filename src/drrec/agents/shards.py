"""Several processes at one training: which part of it each of them has."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Shard:
    """Part `rank` of `count` equal parts of the sessions, and of what goes with them."""

    rank: int = 0
    count: int = 1

    def size(self, total: int) -> int:
        """How many of `total`, which `count` divides, are in this part."""
        return total // self.count

    def rows(self, total: int) -> slice:
        """Which of `total` they are."""
        size = self.size(total)
        return slice(self.rank * size, (self.rank + 1) * size)


WHOLE = Shard()
