"""Regression cases for tests."""

from __future__ import annotations

from typing import Any

from accounts.models import SiteRole
from rollouts.models import RegressionCase
from rollouts.operations import cases
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, deployment


def case(key: str = KEY, **fields: Any) -> RegressionCase:
    """A fresh case of the golden set of the bundle ``key``."""
    number = RegressionCase.objects.filter(eval_set__bundle__key=key).count() + 1
    named = {"key": f"case-{number}", "title": f"A refund of ${239 + number} goes through"}
    check = {"check_kind": "rubric", "check_body": {"text": "The refund is made."}}
    made: dict[str, Any] = named | check | {"inputs": {"amount": 240}} | fields
    return cases.add_case(deployment(key).bundle, actor=person(SiteRole.RESPONDER), **made)
