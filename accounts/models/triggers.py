"""Rows that never change or never go, refused by the database itself."""

from __future__ import annotations

import pgtrigger


def append_only() -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE of a table; TRUNCATE needs one of its own."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name="no_truncate",
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            func="RAISE EXCEPTION 'append-only: rows of this table are never removed';",
        ),
    ]


def never_deleted(why: str) -> list[pgtrigger.Trigger]:
    """Triggers that refuse DELETE and TRUNCATE of a table whose rows may change; ``why`` is said to whoever tries."""
    return [
        pgtrigger.Trigger(
            name="never_deleted",
            operation=pgtrigger.Delete,
            when=pgtrigger.Before,
            func=f"RAISE EXCEPTION 'never deleted: {why}';",
        ),
        pgtrigger.Trigger(
            name="never_truncated",
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            when=pgtrigger.Before,
            func=f"RAISE EXCEPTION 'never deleted: {why}';",
        ),
    ]
