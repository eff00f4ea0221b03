"""Holding tool arguments against the schemas of the bundle version that was running."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from rollouts.models import BundleVersion

Validators = dict[str, Draft202012Validator]

#: digest of a version → its validators by tool. A digest names its content, so nothing here ever gets stale.
_validators: OrderedDict[str, Validators] = OrderedDict()
_KEPT = 256
_NOTHING_REMOTE: Registry[Any] = Registry()


def validators_of(digests: Iterable[str]) -> dict[str, Validators]:
    """The validators of each version, by digest; one query for those not yet known to this process."""
    wanted = set(digests)
    missing = wanted - _validators.keys()
    if missing:
        found = BundleVersion.objects.filter(digest__in=missing).values_list("digest", "body__tools")
        for digest, tools in found:
            _validators[digest] = _compile(tools)
    answer = {digest: _validators[digest] for digest in wanted if digest in _validators}
    for digest in answer:
        _validators.move_to_end(digest)
    while len(_validators) > _KEPT:
        _validators.popitem(last=False)
    return answer


def _compile(tools: Any) -> Validators:
    validators = {}
    for tool in tools if isinstance(tools, list) else ():
        schema = tool.get("input_schema") if isinstance(tool, dict) else None
        if not isinstance(schema, dict) or not isinstance(tool.get("name"), str):
            continue
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError:
            continue
        validators[tool["name"]] = Draft202012Validator(schema, registry=_NOTHING_REMOTE)
    return validators


def judge(validators: Validators, calls: Iterable[tuple[str, Any]]) -> tuple[bool | None, str]:
    """Whether every call fits its tool's schema, with one sentence on the first that does not.

    None when none of the tools has a schema we can apply: that is unknown, not valid.
    """
    known = False
    for tool, arguments in calls:
        validator = validators.get(tool)
        if validator is None:
            continue
        try:
            error = next(validator.iter_errors(arguments), None)
        except (Unresolvable, RecursionError):
            continue
        known = True
        if error is not None:
            place = error.json_path.removeprefix("$.").removeprefix("$")
            return False, f"{tool}: {f'{place}: ' if place else ''}{error.message}"[:300]
    return (True if known else None), ""
