"""Whether a value fits a JSON Schema, without following references out of it. Pure."""

from __future__ import annotations

import re
from typing import Any

from jsonschema.exceptions import UnknownType
from jsonschema.validators import Draft202012Validator, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

_NOTHING_REMOTE: Registry[Any] = Registry()


def first_misfit(schema: dict[str, Any], value: Any) -> str:
    """One sentence on the first thing that does not fit; empty when all fits, or when the schema cannot be applied."""
    dialect = validator_for(schema, default=Draft202012Validator)
    try:
        error = next(dialect(schema, registry=_NOTHING_REMOTE).iter_errors(value), None)
    except (Unresolvable, UnknownType, RecursionError, re.error):
        return ""
    if error is None:
        return ""
    place = error.json_path.removeprefix("$.").removeprefix("$")
    return f"{f'{place}: ' if place else ''}{error.message}"[:300]
