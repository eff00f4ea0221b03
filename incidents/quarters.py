"""Quarters of the year in UTC, written ``2026Q4``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from accounts.errors import OperationRefused

_SHAPE = re.compile(r"([0-9]{4})Q([1-4])")


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """Three months, from their first moment up to, not including, the first of the next."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quarter that ``text`` names; refused with the way to write it."""
        match = _SHAPE.fullmatch(text.strip().upper())
        if match is None or not 2000 <= int(match[1]) <= 2999:
            raise OperationRefused("Write a quarter as 2026Q4: the year, Q, and 1 to 4.", status=422)
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, at: datetime) -> Self:
        """The quarter that ``at`` lies in."""
        at = at.astimezone(UTC)
        return cls(at.year, (at.month + 2) // 3)

    def __str__(self) -> str:
        return f"{self.year}Q{self.number}"

    def shifted(self, quarters: int) -> Quarter:
        """So many quarters later; earlier when negative."""
        count = self.year * 4 + self.number - 1 + quarters
        return Quarter(count // 4, count % 4 + 1)

    @property
    def start(self) -> datetime:
        return datetime(self.year, self.number * 3 - 2, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        return self.shifted(1).start
