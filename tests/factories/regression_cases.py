"""Regression cases for tests."""

from __future__ import annotations

from typing import Any

from accounts import clock
from accounts.models import acted_by
from rollouts.models import EvalSet, RegressionCase
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, deployment


def case(key: str = KEY, **fields: Any) -> RegressionCase:
    """A fresh case of the golden set of the bundle ``key``."""
    golden, _ = EvalSet.objects.get_or_create(bundle=deployment(key).bundle)
    named = {"key": f"case-{golden.cases.count() + 1}", "title": "A refund of $240 goes through"}
    check = {"check_kind": "rubric", "check_body": {"text": "The refund is made."}}
    made = {"inputs": {"amount": 240}, "created_at": clock.now(), **acted_by(person())}
    return RegressionCase.objects.create(eval_set=golden, **(named | check | made | fields))
