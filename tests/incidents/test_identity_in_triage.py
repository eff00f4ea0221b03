"""Triage names who else has the prompt, and what ran that should not."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from accounts import clock
from incidents.views.evidence import shown
from rollouts.models import BundleVersion
from rollouts.operations import drift
from rollouts.practice.bundles import BAD, KEY
from rollouts.telemetry import questions
from rollouts.telemetry.facts import ChangeKind
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.rollouts import activate, running, version
from tests.incidents.refunds import refund_room

pytestmark = pytest.mark.django_db


def test_agents_that_share_the_prompt_are_named_in_triage(noon: datetime) -> None:
    room = refund_room(noon)
    active = BundleVersion.objects.get(bundle__key=KEY, label="2.0.3")
    assert "Who has this prompt" not in text(Browser().get(f"/i/{room.ref}/triage/", evidence="1"))
    shop = json.loads(json.dumps(active.body))["prompt"]
    activate(version("shop", "1.0.0", prompt=shop, text=shop["text"]), "dev")
    page = text(Browser().get(f"/i/{room.ref}/triage/", evidence="1"))
    assert "Who has this prompt" in page
    assert "2 agents depend on this prompt." in page
    assert "/bundles/shop/1.0.0/" in page
    assert BAD not in page[page.index("Who has this prompt") : page.index("samples-title")]


def test_an_unreviewed_edit_among_what_changed_leads_to_the_drift_of_the_bundle() -> None:
    live = running("1.0.0")
    drift.report(live, {"prompt": {"text": "Edited at night."}}, actor=person(), source="dashboard")
    (change,) = [
        c for c in questions.changes_before(live.bundle.key, "prod", clock.now()) if c.kind == ChangeKind.DRIFT
    ]
    assert change.sentence.endswith("Unreviewed: nothing here ever put it there.")
    assert shown(change, clock.now()).url == f"/bundles/{live.bundle.key}/#drift"
