"""What exactly runs, what differs, and making a version the active one, as pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts import clock
from rollouts.models import Instance, Waiver
from rollouts.operations import roll_back
from tests.browsers import Browser, text
from tests.factories.accounts import person
from tests.factories.rollouts import deployment, running, version

pytestmark = pytest.mark.django_db

HOSTILE = "<img src=x onerror=alert(1)>"


def instance(where: str, number: int | None, *, name: str = "eu-1", seen: timedelta = timedelta()) -> Instance:
    at = clock.now() - seen
    return Instance.objects.create(
        deployment=deployment(where), name=name, region="eu", version_number=number, fetched_at=at, last_seen_at=at
    )


def test_an_empty_list_says_how_to_push_the_first() -> None:
    assert "lastgood push" in text(Browser().get("/bundles/"))


def test_the_list_names_what_each_environment_serves_and_what_is_last_good() -> None:
    running("1.0.0", "2.0.0", key="refunds")
    running("7.0.0", key="search.summary")
    browser = Browser()
    page = text(browser.get("/bundles/"))
    assert "last good 1.0.0" in page
    assert "nothing to go back to" in page
    found = text(browser.region("/bundles/", "section#found", q="search"))
    assert "search.summary" in found
    assert "refunds" not in found


def test_the_list_takes_as_many_queries_for_twenty_bundles_as_for_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(20):
        version(f"agent-{number}")
    browser = Browser()
    with django_assert_max_num_queries(12):
        browser.get("/bundles/")


def test_a_bundle_shows_its_stacks_and_what_was_taken_back() -> None:
    where = running("1.0.0", "2.0.0")
    roll_back.roll_back(where, actor=person())
    page = text(Browser().get("/bundles/customer-service/"))
    assert "Taken back" in page
    assert "Rolled back" in page
    part = Browser().region("/bundles/customer-service/", "section#stacks")
    assert text(part).lstrip().startswith('<section id="stacks"')


def test_a_version_is_found_by_label_and_its_number_leads_there() -> None:
    made = version(label="2.1.0", text=f"Be brief. {HOSTILE}")
    browser = Browser()
    page = text(browser.get("/bundles/customer-service/2.1.0/"))
    assert made.digest in page
    assert "&lt;img src=x" in page
    assert "<img" not in page
    assert browser.get(f"/bundles/customer-service/{made.number}/")["Location"] == "/bundles/customer-service/2.1.0/"


@pytest.mark.parametrize(
    "path", ["/bundles/nobody/", "/bundles/customer-service/9.9.9/", "/bundles/customer-service/diff/9.9.9..1.0.0/"]
)
def test_what_is_not_there_is_a_404_that_says_what(path: str) -> None:
    version(label="1.0.0")
    answer = Browser().get(path)
    assert answer.status_code == 404
    assert "There is no bundle called nobody." in text(answer) or "has no version 9.9.9." in text(answer)


def test_a_diff_shows_the_prompt_by_word_and_schemas_by_field() -> None:
    version(label="1.0.0", text="Answer in a short paragraph.", tools=[])
    version(
        label="2.0.0", text=f"Answer in JSON {HOSTILE}.", tools=[{"name": "refund", "input_schema": {"type": "object"}}]
    )
    browser = Browser()
    page = text(browser.get("/bundles/customer-service/diff/1.0.0..2.0.0/"))
    assert "<del>a short paragraph</del>" in page
    assert "<ins>JSON &lt;img src=x onerror=alert(1)&gt;</ins>" in page
    assert "<img" not in page
    assert "added" in page
    chosen = browser.get("/bundles/customer-service/", old="1.0.0", new="2.0.0")
    assert chosen["Location"] == "/bundles/customer-service/diff/1.0.0..2.0.0/"


def test_an_approver_promotes_with_a_waiver_and_is_told_every_reason_without_one() -> None:
    made = version(label="2.0.0")
    path = "/bundles/customer-service/2.0.0/promote/"
    approver = Browser("approver")
    refused = approver.press(path, environment="staging")
    assert refused.status_code == 409
    assert "Gate evals has no result and there is no waiver." in text(refused)
    assert approver.press(path, environment="staging", waiver_reason="trial", waiver_days="3").status_code == 302
    where = deployment(environment="staging")
    assert where.active_id == made.pk
    assert Waiver.objects.get().gates == ["evals"]
    assert approver.press(path, environment="nowhere").status_code == 422


def test_promoting_is_for_approvers() -> None:
    version(label="2.0.0")
    answer = Browser().press("/bundles/customer-service/2.0.0/promote/", environment="dev")
    assert answer.status_code == 403
    assert "Promoting needs the role approver." in text(Browser().get("/bundles/customer-service/2.0.0/"))


def test_the_fleet_tells_in_sync_from_behind_from_silent() -> None:
    running("1.0.0", "2.0.0")
    instance("customer-service", 2, name="eu-1")
    instance("customer-service", 1, name="eu-2")
    instance("customer-service", 2, name="eu-3", seen=timedelta(minutes=6))
    browser = Browser()
    page = text(browser.get("/fleet/"))
    assert "1 of 3 on" in page
    assert "1 silent" in page
    assert page.index("eu-2") < page.index("eu-3") < page.index("eu-1")
    assert "Mixed:" in page
    assert "<table" in text(browser.get("/fleet/", view="table"))
    assert text(browser.region("/fleet/customer-service/", "section#fleet")).lstrip().startswith('<section id="fleet"')


def test_the_fleet_takes_as_many_queries_for_three_hundred_instances_as_for_one(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    running("1.0.0")
    where = deployment()
    at = clock.now()
    Instance.objects.bulk_create(
        Instance(deployment=where, name=f"i{n}", region=f"r{n % 4}", version_number=1, fetched_at=at, last_seen_at=at)
        for n in range(300)
    )
    browser = Browser()
    with django_assert_max_num_queries(12):
        answer = browser.get("/fleet/")
    assert text(answer).count('id="cell-') == 300


def test_an_empty_fleet_says_what_will_appear() -> None:
    assert "No instance has asked for a bundle" in text(Browser().get("/fleet/"))
