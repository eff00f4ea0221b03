"""What may be written into which row of a postmortem, and how each value is read. Writes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from accounts import strict_json
from accounts.errors import NotFound, OperationRefused
from incidents.models import (
    Confidence,
    Diagnosis,
    EscapeAnswer,
    Factor,
    InferenceRow,
    Layer,
    LayerFinding,
    MovedVariable,
    Postmortem,
)
from incidents.models.postmortem import Edited
from incidents.operations.refusals import LONGEST
from rollouts.models import BundleVersion

Read = Callable[[Any, str], Any]
MOST_COUNTED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RowKind:
    """One kind of rows: its table, how to name one (``key``, or by id when empty), and what can be written into it."""

    model: type[Edited]
    key: str
    keys: tuple[str, ...]
    word: str
    fields: Mapping[str, Read]
    added: bool  # whether people add and remove rows; else each key has its row from the start


def text(value: Any, name: str, longest: int = LONGEST) -> str:
    """Text as written; line ends as ``\\n`` (browsers send two characters)."""
    if not isinstance(value, str):
        raise OperationRefused(f"{name} is a text.", status=422)
    try:
        written = strict_json.storable(value).replace("\r\n", "\n")
    except ValueError as error:
        raise OperationRefused(f"{name}: {error}", status=422) from None
    if len(written) > longest:
        raise OperationRefused(f"{name} is longer than {longest} characters. Shorten it.", status=422)
    return written


def short(value: Any, name: str) -> str:
    return text(value, name, 200).strip()


def unit(value: Any, name: str) -> str:
    return text(value, name, 60).strip()


def one_of(*allowed: str) -> Read:
    """One of a closed list."""

    def read(value: Any, name: str) -> str:
        if value not in allowed:
            raise OperationRefused(f"{name} is one of: {', '.join(filter(None, allowed))}.", status=422)
        return str(value)

    return read


def count(value: Any, name: str) -> int | None:
    """A whole number from 0, or nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_COUNTED:
        raise OperationRefused(f"{name} is a whole number from 0.", status=422)
    return value


def amount(value: Any, name: str) -> float | None:
    """A number from 0, or nothing."""
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or number < 0:
        raise OperationRefused(f"{name} is a number from 0.", status=422)
    return number


def day(value: Any, name: str) -> date | None:
    """A day as YYYY-MM-DD, or nothing."""
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise OperationRefused(f"{name} is a day, like 2026-11-20.", status=422) from None


def hexadecimal(length: int) -> Read:
    """A trace's or span's id, or nothing."""

    def read(value: Any, name: str) -> str:
        given = text(value, name).strip().lower()
        if given and (len(given) != length or not set(given) <= set("0123456789abcdef")):
            raise OperationRefused(f"{name} is {length} hexadecimal characters.", status=422)
        return given

    return read


def version(value: Any, name: str) -> BundleVersion | None:
    """A bundle version: itself, ``key@label``, ``key@number``, or ``{"bundle", "number"}`` as exports write it."""
    if value is None or value == "" or isinstance(value, BundleVersion):
        return value or None
    if isinstance(value, Mapping):
        value = f"{value.get('bundle')}@{value.get('number')}"
    key, at, wanted = text(value, name).strip().rpartition("@")
    found = BundleVersion.objects.defer("body").select_related("bundle").filter(bundle__key=key)
    by_number = wanted.isascii() and wanted.isdigit() and len(wanted) < 10
    one = (found.filter(number=int(wanted)) if by_number else found.filter(label=wanted)).first() if at else None
    if one is None:
        raise NotFound(f"There is no bundle version {value}. Write it like customer-service@2.1.0.")
    return one


PAGE: Mapping[str, Read] = {
    "made_by": short,
    "reviewed_by": short,
    "next_owner": short,
    "path": short,
    "damage_rate_per_second": amount,
    "damage_unit": unit,
    "blast_seconds": amount,
    "autonomy": one_of("", *Postmortem.Autonomy.values),
    "access_blocked_minutes": count,
    "false_acks": count,
    "slowed_by": text,
}

_PROSE = ("saw", "inferred", "should_have_inferred", "alternatives", "cue", "claimed_reasoning")
KINDS: Mapping[str, RowKind] = {
    "inferences": RowKind(
        InferenceRow,
        "",
        (),
        "inference",
        dict.fromkeys((*_PROSE, "evidenced_reasoning", "action", "authority"), text)
        | dict.fromkeys(("failures", "replays", "fixed_failures", "fixed_replays"), count)
        | {"spec": one_of("", *InferenceRow.Spec.values)}
        | {"day": day, "trace_id": hexadecimal(32), "span_id": hexadecimal(16), "version_at_fault": version},
        added=True,
    ),
    "variables": RowKind(
        MovedVariable,
        "variable",
        tuple(MovedVariable.Variable.values),
        "variable",
        {"moved": one_of(*MovedVariable.Moved.values), "before": text, "after": text, "evidence": text},
        added=False,
    ),
    "layers": RowKind(
        LayerFinding,
        "layer",
        tuple(Layer.values),
        "layer",
        {"finding": one_of(*LayerFinding.Finding.values), "evidence": text, "owner": short},
        added=False,
    ),
    "factors": RowKind(
        Factor,
        "",
        (),
        "factor",
        {
            "text": text,
            "layer": one_of("", *Layer.values),
            "diagnosis": one_of("", *Diagnosis.values),
            "confidence": one_of(*Confidence.values),
            "evidence": text,
        },
        added=True,
    ),
    "escapes": RowKind(
        EscapeAnswer,
        "question",
        tuple(EscapeAnswer.Question.values),
        "question",
        {"verdict": one_of("", *EscapeAnswer.Verdict.values), "answer": text},
        added=True,
    ),
}


def kind_of(name: str) -> RowKind:
    """The kind of rows called ``name``; NotFound otherwise."""
    if name not in KINDS:
        raise NotFound(f"A postmortem has no {name}; it has {', '.join(KINDS)}.")
    return KINDS[name]


def read(fields: Mapping[str, Read], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` as columns hold them; refused when one is unknown or does not fit."""
    for name in values:
        if name not in fields:
            raise OperationRefused(f"There is no field {name}; there are {', '.join(fields)}.", status=422)
    return {name: fields[name](value, name.replace("_", " ").capitalize()) for name, value in values.items()}


def plain(value: Any) -> Any:
    """A column's value as plain JSON."""
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, BundleVersion) else value
