"""Cases and the sets they form. Every change of a set is a new version of it, in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import rfc8785
from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import BigIntegerField, Exists, Func, OuterRef
from django.utils.text import slugify

from accounts import clock
from accounts.actors import Actor
from accounts.errors import OperationRefused
from accounts.models import acted_by
from accounts.operations import audit
from accounts.permissions import Permission, require
from rollouts import checks, signals
from rollouts.body import sha256, unstorable
from rollouts.models import Bundle, BundleVersion, EvalSet, EvalSetVersion, RegressionCase

MAX_BYTES = 256 * 1024  # of a case's inputs, expected output and check together, as canonical JSON
MAX_CASES = 2_000
MAX_REPEATS = 100
DEFAULT_SET = "golden"

_SET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")
_HEX = re.compile(r"[0-9a-f]*")

Invocation = tuple[date, str, str]


@transaction.atomic
def add_case(
    bundle: Bundle,
    *,
    actor: Actor,
    set_name: str = DEFAULT_SET,
    key: str = "",
    title: str,
    inputs: Any,
    expected: Any = None,
    check_kind: str,
    check_body: Any,
    repeats: int = 1,
    invocation: Invocation | None = None,
    incident_ref: str = "",
    bad_version: BundleVersion | None = None,
    replaces: RegressionCase | None = None,
    at: datetime | None = None,
) -> RegressionCase:
    """Add a case to a set of ``bundle``, which is made if need be; the set gets a new version.

    Without ``key`` one is made from the title. The same case again is the case it already was. ``invocation`` is
    (day, trace_id, span_id) of the run that went wrong, ``bad_version`` the one that ran it, ``replaces`` a case
    of the same set that this one is better than. Refused with 422 and every finding when the check cannot be
    applied or something is too large, with 409 when the key is taken.
    """
    require(actor, Permission.PUSH)
    at = at or clock.now()
    title = title.strip()
    found = [
        *_naming(set_name, key, title),
        *_contents(inputs, expected, check_kind, check_body),
        *_origin(bundle, repeats, invocation, incident_ref, bad_version),
    ]
    if found:
        raise OperationRefused(" ".join(found), status=422, details={"reasons": found})
    eval_set = _locked_set(bundle, set_name)
    current = newest(eval_set)
    standing = list(current.case_ids) if current else []
    day, trace_id, span_id = invocation or (None, "", "")
    case = RegressionCase(
        eval_set=eval_set,
        key=key or (f"{replaces.key[:94]}.better" if replaces else slugify(title)[:80].strip("-") or "case"),
        title=title,
        inputs=inputs,
        expected=expected,
        check_kind=check_kind,
        check_body=check_body,
        repeats=repeats,
        day=day,
        trace_id=trace_id,
        span_id=span_id,
        incident_ref=incident_ref,
        bad_version=bad_version,
        replaces=replaces,
        created_at=at,
        **acted_by(actor),
    )
    if (known := _same(eval_set, case, key=key)) is not None:
        if known.pk not in standing:
            _write_version(eval_set, [*standing, known.pk], f"{known.key} is back", actor=actor, at=at)
        return known
    if replaces is not None:
        _check_replaced(eval_set, replaces)
    case.key = _free_key(eval_set, case.key, given=bool(key))
    if len(standing) >= MAX_CASES:
        raise OperationRefused(f"{eval_set} has {MAX_CASES:,} cases, and that is the limit. Start another set.")
    case.save(force_insert=True)
    kept = [pk for pk in standing if replaces is None or pk != replaces.pk]
    note = f"{case.key} replaces {replaces.key}" if replaces else f"{case.key} is new"
    made = _write_version(eval_set, [*kept, case.pk], note, actor=actor, at=at)
    audit.record(
        actor,
        "add case",
        str(bundle),
        reason=title,
        data={"set": str(made), "case": case.key, "incident": incident_ref, "replaces": replaces and replaces.key},
        at=at,
    )
    signals.announce("case", case.pk)
    return case


@transaction.atomic
def remove_case(case: RegressionCase, *, actor: Actor, reason: str, at: datetime | None = None) -> EvalSetVersion:
    """Leave ``case`` out of its set's next version, and say why. The case and its results stay.

    Every later version is promoted without it, and what it kept red may become green: an approver's word, as a waiver.
    """
    require(actor, Permission.APPROVE)
    at, reason = at or clock.now(), reason.strip()
    if not reason:
        raise OperationRefused("Say why this case no longer has to pass.", status=422)
    eval_set = EvalSet.objects.select_for_update(no_key=True, of=("self",)).select_related("bundle").get(
        pk=case.eval_set_id
    )  # fmt: skip
    current = newest(eval_set)
    if current is None or case.pk not in current.case_ids:
        raise OperationRefused(f"{case.key} is not in the newest version of {eval_set} any more.")
    kept = [pk for pk in current.case_ids if pk != case.pk]
    made = _write_version(eval_set, kept, f"{case.key} left out: {reason}", actor=actor, at=at)
    audit.record(
        actor, "remove case", str(eval_set.bundle), reason=reason, data={"set": str(made), "case": case.key}, at=at
    )
    return made


def newest(eval_set: EvalSet) -> EvalSetVersion | None:
    """The newest version of a set; None while nobody has added a case."""
    return eval_set.versions.order_by("-number").first()


def is_kept() -> Exists:
    """Of a row of RegressionCase: whether the newest version of its set still has it."""
    this = Func(OuterRef("pk"), template="ARRAY[%(expressions)s]", output_field=ArrayField(BigIntegerField()))
    return Exists(
        EvalSetVersion.objects.filter(
            eval_set=OuterRef("eval_set"), number=OuterRef("eval_set__last_number"), case_ids__contains=this
        )
    )


def digest(cases: Iterable[RegressionCase]) -> str:
    """What identifies the contents of a set: SHA-256 over the cases' keys and contents, in the order of the keys."""
    return sha256([content(case) for case in sorted(cases, key=lambda case: case.key)])


def content(case: RegressionCase) -> dict[str, Any]:
    """A case as a runner gets it."""
    return {
        "key": case.key,
        "inputs": case.inputs,
        "expected": case.expected,
        "check": {"kind": case.check_kind, "body": case.check_body},
        "repeats": case.repeats,
    }


def _locked_set(bundle: Bundle, name: str) -> EvalSet:
    eval_set, _ = EvalSet.objects.get_or_create(bundle=bundle, name=name)
    return EvalSet.objects.select_for_update(no_key=True, of=("self",)).select_related("bundle").get(pk=eval_set.pk)


def _write_version(eval_set: EvalSet, case_ids: list[int], note: str, *, actor: Actor, at: datetime) -> EvalSetVersion:
    made = EvalSetVersion.objects.create(
        eval_set=eval_set,
        number=eval_set.last_number + 1,
        case_ids=case_ids,
        digest=digest(RegressionCase.objects.filter(pk__in=case_ids)),
        note=note[:300],
        created_at=at,
        **acted_by(actor),
    )
    eval_set.last_number = made.number
    eval_set.save(update_fields=["last_number"])
    return made


def _naming(set_name: str, key: str, title: str) -> Iterable[str]:
    if not _SET_NAME.fullmatch(set_name):
        yield "A set's name is lower-case letters, digits, ., _ and -, at most 64 of them."
    if key and not _KEY.fullmatch(key):
        yield "A case's key is letters, digits, ., _ and -, at most 100 of them."
    if not title:
        yield "Give the case a title: what has to go right."
    elif len(title) > 300:
        yield f"The title has {len(title):,} characters; the limit is 300."


def _contents(inputs: Any, expected: Any, kind: str, body: Any) -> list[str]:
    named = {"inputs": inputs, "expected": expected, "check": body}
    if odd := [f"{path or 'case'}: {message}" for path, message in unstorable(named)]:
        return odd[:20]
    found = checks.problems(kind, body)
    if inputs in (None, "", [], {}):
        found.append("Say what the agent was given (inputs).")
    if (size := len(rfc8785.dumps(named))) > MAX_BYTES:
        found.append(f"Inputs, expected output and check take {size // 1024:,} KiB; the limit is {MAX_BYTES // 1024}.")
    return found


def _origin(
    bundle: Bundle, repeats: int, invocation: Invocation | None, incident_ref: str, bad_version: BundleVersion | None
) -> Iterable[str]:
    if isinstance(repeats, bool) or not 1 <= repeats <= MAX_REPEATS:
        yield f"A case is tried 1 to {MAX_REPEATS} times (repeats)."
    if invocation is not None and not (
        isinstance(invocation[0], date)
        and all(_HEX.fullmatch(part) for part in invocation[1:])
        and 0 < len(invocation[1]) <= 32
        and len(invocation[2]) <= 16
    ):
        yield "An invocation is named by its day, trace id and span id."
    if len(incident_ref) > 20 or "\0" in incident_ref:
        yield "An incident is named by its reference, such as INC-7."
    if bad_version is not None and bad_version.bundle_id != bundle.pk:
        yield f"{bad_version} is a version of another bundle than {bundle}."


def _check_replaced(eval_set: EvalSet, replaced: RegressionCase) -> None:
    if replaced.eval_set_id != eval_set.pk:
        raise OperationRefused(f"{replaced.key} is a case of another set than {eval_set}.", status=422)
    if (better := RegressionCase.objects.filter(replaces=replaced).first()) is not None:
        raise OperationRefused(f"{replaced.key} is replaced by {better.key} already; replace that one.")


def _same(eval_set: EvalSet, case: RegressionCase, *, key: str) -> RegressionCase | None:
    """The case this one already is: all alike but for who made it when, and for a key nobody insisted on."""
    alike = eval_set.cases.filter(
        title=case.title,
        incident_ref=case.incident_ref,
        trace_id=case.trace_id,
        span_id=case.span_id,
        bad_version_id=case.bad_version_id,
        replaces_id=case.replaces_id,
    )
    wanted = content(case) | {"key": ""}
    for known in alike.filter(key=key) if key else alike:
        if sha256(content(known) | {"key": ""}) == sha256(wanted):
            return known
    return None


def _free_key(eval_set: EvalSet, wanted: str, *, given: bool) -> str:
    """``wanted``, with a number when it is taken and nobody insisted on it."""
    taken = set(eval_set.cases.filter(key__startswith=wanted).values_list("key", flat=True))
    if wanted not in taken:
        return wanted
    if given:
        raise OperationRefused(
            f"{eval_set} has another case called {wanted}. Choose another key, or say that this one replaces it."
        )
    number = 2
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"
