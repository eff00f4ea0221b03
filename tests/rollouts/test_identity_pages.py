"""What the pages say of a bundle's identity: pinned or not, what checks found, who shares it, what drifts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import clock
from accounts.models import SiteRole
from rollouts.models import Drift, PromptRules
from rollouts.operations import drift
from tests.browsers import Browser, text
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.rollouts import KEY, activate, running, version
from tests.spans import span, told

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>"


def edited(label: str = "edited") -> None:
    live = running("1.0.0", key="support")
    drift.report(live, {"prompt": {"text": f"{label} {HOSTILE}"}}, actor=person(), source=HOSTILE)


def test_a_version_says_why_it_cannot_be_had_again_and_what_the_checks_found() -> None:
    version(label="2.0.0", text="Hi.\nCall get_order(order_id=1, currency=2).", model={"snapshot": "gpt-4o"})
    page = text(Browser().get(f"/bundles/{KEY}/2.0.0/"))
    assert "Not reproducible" in page
    assert "gpt-4o is an alias: its provider may answer with another model." in page
    assert "get_order does not take currency; it takes order_id." in page
    assert "line 2, column 28" in page


def test_a_version_whose_every_part_is_fixed_says_so_and_nothing_else() -> None:
    version(label="2.0.0", retrieval={"embedding_model": "e-3"})
    page = text(Browser().get(f"/bundles/{KEY}/2.0.0/"))
    assert "Every part" in page
    assert "Not reproducible" not in page
    assert "What the checks found" not in page
    assert "No other bundle has this prompt." in page


def test_hostile_arguments_in_a_prompt_stay_text() -> None:
    version(label="2.0.0", text=f"get_order(order_id=1, currency=2) {HOSTILE}", model={"snapshot": HOSTILE})
    assert "<img" not in text(Browser().get(f"/bundles/{KEY}/2.0.0/"))


def test_agents_that_share_a_prompt_are_named_on_its_page() -> None:
    version("support", "1.0.0", text="Shared.")
    activate(version("shop", "7.0.0", text="Shared."), "dev")
    page = text(Browser().get("/bundles/support/1.0.0/"))
    assert "2 agents depend on this prompt." in page
    assert "/bundles/shop/7.0.0/" in page


def test_an_edit_outside_of_the_pipeline_is_a_badge_a_row_and_a_filter() -> None:
    edited()
    running("1.0.0", key="calm-agent")
    browser = Browser()
    found = text(browser.get("/bundles/", drift="unreviewed"))
    assert "unreviewed" in found
    assert "support" in found
    assert "calm-agent" not in found
    page = text(browser.get("/bundles/support/"))
    assert "unreviewed" in page
    assert "The prompt in use" in page
    assert "<img" not in page
    assert "unreviewed" not in text(browser.get("/bundles/calm-agent/"))


def test_the_filter_says_when_there_is_no_unreviewed_edit() -> None:
    running("1.0.0")
    assert "No unreviewed edit" in text(Browser().get("/bundles/", drift="unreviewed"))


def test_surprises_of_the_last_month_are_counted_on_the_bundle(noon: object) -> None:
    live = running("1.0.0")
    at = clock.now()
    for name, age in (("a", 3), ("b", 40)):
        Drift.objects.create(
            deployment=live, kind="alias", about="gpt-5", declared="x", seen=name, count=1, source="telemetry",
            first_seen_at=at - timedelta(days=age), last_seen_at=at - timedelta(days=age),
        )  # fmt: skip
    assert "1 surprise in the last 30 days" in " ".join(text(Browser().get(f"/bundles/{KEY}/")).split())


def test_environments_that_differ_are_named_with_the_way_to_compare_them() -> None:
    running("1.0.0")
    activate(version(label="2.0.0", model={"snapshot": "claude-sonnet-4-5-20260101"}), "staging")
    page = text(Browser().get(f"/bundles/{KEY}/"))
    assert "two snapshots" in page
    assert "staging (2.0.0) and prod (1.0.0) differ in prompt and model." in page
    assert f"/bundles/{KEY}/diff/1.0.0..2.0.0/" in page


def test_the_rules_are_set_on_the_page_and_a_refusal_keeps_what_was_typed() -> None:
    made = version(label="1.0.0")
    browser = Browser(SiteRole.APPROVER)
    sent = {"max_characters": "900", "sections": "Refunds\r\n\r\nTone", "forbidden": "guarantee"}
    answer = browser.press(f"/bundles/{KEY}/prompt-rules/", **sent)
    assert answer["Location"] == f"/bundles/{KEY}/#rules"
    rules = PromptRules.objects.get(bundle=made.bundle)
    assert (rules.max_characters, rules.sections, rules.forbidden) == (900, ["Refunds", "Tone"], ["guarantee"])
    refused = browser.press(f"/bundles/{KEY}/prompt-rules/", **{**sent, "sections": "x" * 101})
    assert refused.status_code == 422
    assert "A section has at most 100 characters." in text(refused)
    assert "guarantee" in text(refused)


def test_whoever_may_not_approve_reads_the_rules() -> None:
    made = version(label="1.0.0")
    PromptRules.objects.create(
        bundle=made.bundle, forbidden=["guarantee"], at=clock.now(), actor_kind="person", actor_label="x", surface="web"
    )
    browser = Browser(SiteRole.VIEWER)
    assert "guarantee" in text(browser.get(f"/bundles/{KEY}/"))
    assert browser.press(f"/bundles/{KEY}/prompt-rules/").status_code == 403


def test_a_bump_forecasts_what_a_cold_cache_costs(clock: MovableClock) -> None:
    version(label="1.0.0")
    version(label="2.0.0")
    version(label="2.0.1", text="You answer questions about orders, take 2.", metadata={"reviewer": "Lin"})
    about = {"lastgood.bundle": KEY, "gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.cache_read.input_tokens": 800}
    began = clock.now() - timedelta(minutes=100)
    told(
        *[span(about, at=began + timedelta(minutes=n)) for n in range(101)],
        resource={"deployment.environment.name": "prod"},
    )
    page = re.sub(r"\s+", " ", text(Browser().get(f"/bundles/{KEY}/diff/1.0.0..2.0.0/")))
    assert "80 % of the input in prod comes from the provider’s cache today" in page
    assert "up to 4 040 tokens more at full price in the first 5 minutes" in page.replace("\u202f", " ").replace(
        "\xa0", " "
    )
    assert "comes from the provider’s cache" not in text(Browser().get(f"/bundles/{KEY}/diff/2.0.0..2.0.1/"))


def test_the_bundle_and_version_pages_ask_a_bounded_number_of_questions(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    live = running("1.0.0", "2.0.0")
    for number in range(20):
        drift.report(live, {"prompt": {"text": f"edit {number}"}}, actor=person())
        version(f"other-{number}", "1.0.0", text="You answer questions about orders, take 2.")
    browser = Browser()
    with django_assert_max_num_queries(22):
        browser.get(f"/bundles/{KEY}/")
    with django_assert_max_num_queries(22):
        browser.get(f"/bundles/{KEY}/2.0.0/")
