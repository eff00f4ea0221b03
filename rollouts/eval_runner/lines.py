"""What a runner says, line by line: ``{"case", "outcome", "score", "ms", "output"[, "attempt"]}``. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.strict_json import UnreadableJson, load

OUTCOMES = frozenset({"pass", "fail", "error"})
MAX_OUTPUT = 20_000  # characters kept of what one try put out


@dataclass(frozen=True, slots=True)
class Said:
    """One result; ``attempt`` counts from 1."""

    case: str
    attempt: int
    outcome: str
    score: float | None
    ms: float | None
    output: str


class Reader:
    """Reads the lines of one runner. ``tries`` is how often each known case is to be tried."""

    def __init__(self, tries: Mapping[str, int]) -> None:
        self.tries = tries
        self.garbage = 0
        self._heard: Counter[str] = Counter()

    def read(self, line: bytes) -> Said | None:
        """The result that ``line`` is. Anything else is counted and None; a blank line is nothing at all."""
        if not line.strip():
            return None
        said = self._result(line)
        if said is None:
            self.garbage += 1
        return said

    def _result(self, line: bytes) -> Said | None:
        try:
            told = load(line)
        except UnreadableJson:
            return None
        if not isinstance(told, dict) or not isinstance(told.get("case"), str) or told["case"] not in self.tries:
            return None
        case, outcome = told["case"], told.get("outcome")
        if not isinstance(outcome, str) or outcome not in OUTCOMES:
            return None
        attempt = told.get("attempt")
        if attempt is None:
            attempt = self._heard[case] + 1
        if not isinstance(attempt, int) or isinstance(attempt, bool) or not 1 <= attempt <= self.tries[case]:
            return None
        self._heard[case] = max(self._heard[case], attempt)
        return Said(case, attempt, outcome, number(told.get("score")), number(told.get("ms")), text(told.get("output")))


def number(value: Any) -> float | None:
    """``value`` where it is a finite number a column can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        return None
    return float(value) if math.isfinite(value) else None


def text(value: Any) -> str:
    """``value`` as text that PostgreSQL can hold, cut where it is long."""
    if value is None:
        return ""
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    said = said[:MAX_OUTPUT] + (" … (cut)" if len(said) > MAX_OUTPUT else "")
    return said.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
