"""Pages of sets, cases and runs."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import SiteRole
from rollouts.models import BundleVersion, EvalRun, RegressionCase
from rollouts.operations import cases, eval_runs
from tests.factories.accounts import UserFactory, person
from tests.factories.evals import case, filed, junit
from tests.factories.incidents import incident
from tests.factories.rollouts import KEY, activate, version

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def made(db: None) -> BundleVersion:
    return version(label="2.1.0")


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory(roles=[SiteRole.RESPONDER]))
    return client


def text(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_sets_of_a_bundle_show_cases_with_k_of_n_and_how_they_grew(
    client: Client, made: BundleVersion, django_assert_max_num_queries: Any
) -> None:
    room = incident()
    activate(made)
    for number in range(6):
        case(f"refund-{number}", title=f"{HOSTILE} {number}", bad_version=made, incident_ref=room.ref, repeats=1)
    fix = version(label="2.2.0")
    filed(made, **{f"refund_{number}": "fail" for number in range(6)})
    filed(fix, **{f"refund_{number}": "pass" for number in range(6)})
    with django_assert_max_num_queries(15):
        page = text(client, f"/bundles/{KEY}/evals/")
    assert HOSTILE not in page
    assert "golden@6" in page
    assert page.count("0 of 1</span>") == 6
    assert page.count("1 of 1</span>") == 6
    assert "refund-5 is new" in page
    assert "How the bench grew" in page
    assert f"/i/{room.ref}/" in page


def test_a_bundle_without_cases_says_how_the_first_is_made(client: Client, made: BundleVersion) -> None:
    assert "No case yet." in text(client, f"/bundles/{KEY}/evals/")
    text(client, "/bundles/stranger/evals/", 404)


def test_a_case_shows_what_is_tried_and_every_version_it_was_tried_on(
    client: Client, made: BundleVersion, django_assert_max_num_queries: Any
) -> None:
    case(
        "refund",
        inputs={"text": HOSTILE},
        bad_version=made,
        invocation=(date(2026, 11, 20), "a" * 32, ""),
        repeats=2,
    )
    body = b"<testsuite><testcase name='refund'/><testcase name='refund'><failure/></testcase></testsuite>"
    run = eval_runs.upload_junit(made, actor=person(), body=body)
    with django_assert_max_num_queries(12):
        page = text(client, f"/bundles/{KEY}/evals/golden/refund/")
    assert HOSTILE not in page
    assert "1 of 2" in page
    assert f"/runs/{run.pk}/" in page
    assert f"/runs/2026-11-20/{'a' * 32}/" in page
    text(client, f"/bundles/{KEY}/evals/golden/stranger/", 404)
    text(client, f"/bundles/{KEY}/evals/stranger/refund/", 404)


def test_a_case_is_left_out_with_a_reason_and_says_so(client: Client, made: BundleVersion) -> None:
    found = case("refund")
    path = f"/bundles/{KEY}/evals/golden/refund/"
    assert "Leave this case out" not in text(client, path)
    assert client.post(f"{path}remove/", {"reason": "It is in the way."}).status_code == 403
    client.force_login(UserFactory(roles=[SiteRole.APPROVER]))
    assert "Say why" in client.post(f"{path}remove/", {"reason": " "}, follow=True).content.decode()
    page = client.post(f"{path}remove/", {"reason": "The limit is gone."}, follow=True).content.decode()
    assert "refund is left out of customer-service:golden@2." in page
    assert "Left out" in page
    assert "Leave this case out" not in page
    better = case("better", title="Better", replaces=found)
    assert f"/golden/{better.key}/" in text(client, path)


def test_a_run_under_way_shows_how_far_it_is_and_keeps_looking(client: Client, made: BundleVersion) -> None:
    case("refund")
    run = eval_runs.request_run(made, actor=person())
    page = text(client, f"/runs/{run.pk}/")
    assert 'hx-trigger="runs from:#live, every 5s, show"' in page
    assert f"/events/?scope=run-{run.pk}" in page
    assert 'max="1" value="0"' in page
    assert "Cancel run" in page
    region = client.get(f"/runs/{run.pk}/", headers={"HX-Request": "true"})
    assert region.content.decode().lstrip().startswith('<div id="run"')
    ended = client.post(f"/runs/{run.pk}/cancel/", follow=True).content.decode()
    assert "Cancelled" in ended
    assert 'hx-trigger="runs' not in ended
    assert "Cancel run" not in ended


def test_a_stalled_run_names_its_worker(client: Client, made: BundleVersion) -> None:
    from accounts.clock import now

    case("refund")
    run = eval_runs.request_run(made, actor=person())
    EvalRun.objects.filter(pk=run.pk).update(started_at=now(), worker="bench-2, process 41")
    assert "Worker bench-2, process 41 has gone" in text(client, f"/runs/{run.pk}/")


def test_what_runners_print_is_text(client: Client, made: BundleVersion) -> None:
    case("refund")
    run = filed(made, refund="fail")
    run.results.update(output=HOSTILE)
    EvalRun.objects.filter(pk=run.pk).update(raw=f"{HOSTILE}\0\udcff".encode(errors="replace"), source="command")
    page = text(client, f"/runs/{run.pk}/")
    assert HOSTILE not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 2


def test_a_run_of_many_results_shows_what_failed_first_in_few_queries(
    client: Client, made: BundleVersion, django_assert_max_num_queries: Any
) -> None:
    outcomes = {f"case_{number}": "pass" for number in range(40)} | {"case_39": "fail"}
    for number in range(40):
        case(f"case-{number}", title=f"Case {number}")
    run = filed(made, **outcomes)
    with django_assert_max_num_queries(10):
        page = text(client, f"/runs/{run.pk}/")
    assert page.index("case-39</a>") < page.index("case-0</a>")
    text(client, "/runs/999/", 404)


def test_the_version_page_shows_the_board_the_runs_and_a_button(
    client: Client, made: BundleVersion, django_assert_max_num_queries: Any
) -> None:
    case("refund", bad_version=made)
    run = filed(made, refund="fail")
    with django_assert_max_num_queries(19):  # four of them for warnings and for who shares the prompt
        page = text(client, f"/bundles/{KEY}/2.1.0/")
    assert "0 of 1 passed, 1 failed" in page
    assert "1 case shown failing on the version that was bad." in page
    assert f"/runs/{run.pk}/" in page
    assert "Run golden" in page
    asked = client.post(f"/bundles/{KEY}/2.1.0/run/", {"set": "golden"})
    assert asked["Location"] == f"/runs/{EvalRun.objects.latest('pk').pk}/"


def test_a_run_that_cannot_be_asked_for_says_why_on_the_version_page(client: Client, made: BundleVersion) -> None:
    page = client.post(f"/bundles/{KEY}/2.1.0/run/", {"set": "golden"}, follow=True).content.decode()
    assert "no eval set called" in page
    cases.remove_case(case("refund"), actor=person(SiteRole.APPROVER), reason="Not ours.")
    page = client.post(f"/bundles/{KEY}/2.1.0/run/", {"set": "golden"}, follow=True).content.decode()
    assert "has no cases" in page


def test_a_viewer_sees_all_and_changes_nothing(made: BundleVersion) -> None:
    viewer = Client()
    viewer.force_login(UserFactory(roles=[SiteRole.VIEWER]))
    case("refund")
    run = eval_runs.request_run(made, actor=person())
    for path in (f"/bundles/{KEY}/evals/", f"/bundles/{KEY}/evals/golden/refund/", f"/runs/{run.pk}/"):
        page = text(viewer, path)
        assert "Cancel run" not in page
        assert "Leave this case out" not in page
    for path in (
        f"/runs/{run.pk}/cancel/",
        f"/bundles/{KEY}/2.1.0/run/",
        f"/bundles/{KEY}/evals/golden/refund/remove/",
    ):
        assert viewer.post(path).status_code == 403


def test_a_junit_file_is_filed_on_the_page_of_the_version_it_is_about(client: Client, made: BundleVersion) -> None:
    case("refund")
    page = f"/bundles/{KEY}/2.1.0/"
    assert 'enctype="multipart/form-data"' in text(client, page)
    file = SimpleUploadedFile("results.xml", junit(refund="pass"), "text/xml")
    filed = client.post(f"{page}junit/", {"file": file, "set": "golden"}, follow=True).content.decode()
    assert "1 of 1" in filed
    assert EvalRun.objects.get().state == "passed"


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (None, "Choose the JUnit XML file"),
        (b"not xml", "Not filed."),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuites>&a;</testsuites>', "Not filed."),
        (b"<testsuites>" + b" " * 5 * 1024 * 1024 + b"</testsuites>", "the limit is 5,242,880"),
    ],
)
def test_a_junit_file_that_cannot_be_read_says_why(
    client: Client, made: BundleVersion, file: bytes | None, why: str
) -> None:
    case("refund")
    given = {"file": SimpleUploadedFile("results.xml", file)} if file is not None else {}
    answer = client.post(f"/bundles/{KEY}/2.1.0/junit/", given, follow=True)
    assert why in answer.content.decode()
    assert not EvalRun.objects.exists()


def test_what_failed_is_run_again_and_decides_no_gate(client: Client, made: BundleVersion) -> None:
    case("refund")
    case("polite", title="Polite")
    run = filed(made, refund="fail", polite="pass")
    assert f"/runs/{run.pk}/again/" in text(client, f"/runs/{run.pk}/")
    answer = client.post(f"/runs/{run.pk}/again/")
    again = EvalRun.objects.latest("pk")
    assert answer["Location"] == f"/runs/{again.pk}/"
    assert [RegressionCase.objects.get(pk=pk).key for pk in again.only or []] == ["refund"]
    assert "still under way" in client.post(f"/runs/{again.pk}/again/", follow=True).content.decode()
    green = filed(made, refund="pass", polite="pass")
    assert f"/runs/{green.pk}/again/" not in text(client, f"/runs/{green.pk}/")
    assert "Nothing failed in run" in client.post(f"/runs/{green.pk}/again/", follow=True).content.decode()
