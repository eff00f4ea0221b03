"""JUnit files of any make are read; what could harm is refused by name."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import NotFound, NotPermitted, OperationRefused
from accounts.models import Scope, SiteRole
from rollouts import junit
from rollouts.models import BundleVersion, EvalRun
from rollouts.operations import eval_runs
from tests.factories.accounts import machine, person
from tests.factories.evals import case, filed
from tests.factories.evals import junit as file_of
from tests.factories.rollouts import version

BILLION = b"""<?xml version="1.0"?><!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
<testsuites><testcase name="&b;"/></testsuites>"""
OUTSIDE = b"""<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;"/></testsuite>"""
DOCTYPE = (
    b"""<!DOCTYPE testsuites SYSTEM "http://example.com/junit.dtd"><testsuites><testcase name="a"/></testsuites>"""
)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (BILLION, "document type"),
        (OUTSIDE, "document type"),
        (DOCTYPE, "document type"),
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"not xml", "not XML"),
        (b"<testsuites><testcase", "not XML"),
        (b'<?xml version="1.0" encoding="klingon"?><testsuite/>', "not XML"),
        (b"<testsuites>&nbsp;</testsuites>", "not XML"),
        (b"<html><testcase name='a'/></html>", "begins with testsuites or testsuite, not 'html'"),
        (b"<testsuites/>", "no testcase"),
        (b"<testsuite>" + b" " * junit.MAX_BYTES + b"</testsuite>", "the limit is 5,242,880"),
    ],
)
def test_what_is_no_junit_file_is_refused_with_a_sentence(body: bytes, says: str) -> None:
    with pytest.raises(junit.UnreadableJunit, match=says):
        junit.parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<testsuites><testsuite name='s'><testcase name='a'/></testsuite></testsuites>",
        b"<testsuite name='s'><testcase name='a'/></testsuite>",
        b"<testcase name='a'/>",
        b"<testsuites><testsuite><testsuite><testcase name='a'/></testsuite></testsuite></testsuites>",
        b"<testsuites xmlns='urn:x'><testsuite><testcase name='a'/></testsuite></testsuites>",
        "\ufeff<testsuite><testcase name='a'/></testsuite>".encode(),
        "<?xml version='1.0' encoding='utf-16'?><testsuite><testcase name='a'/></testsuite>".encode("utf-16"),
    ],
)
def test_files_without_their_usual_root_are_read(body: bytes) -> None:
    assert [(test.name, test.outcome) for test in junit.parse(body)] == [("a", "pass")]


def test_each_test_has_its_outcome_time_and_words() -> None:
    body = b"""<testsuite>
      <testcase classname="refunds" name="a" time="1,000.5"><failure message="wrong">got 2</failure></testcase>
      <testcase name="b" time="soon"><error message="timeout"/></testcase>
      <testcase name="c" time="NaN"><skipped message="later"/></testcase>
      <testcase name="d" time="-1"><system-out>fine</system-out></testcase>
      <testcase name="e"><error/><failure/></testcase>
    </testsuite>"""
    found = junit.parse(body)
    assert [(test.outcome, test.ms) for test in found] == [
        ("fail", 1_000_500.0),
        ("error", None),
        ("skipped", None),
        ("pass", None),
        ("fail", None),
    ]
    assert found[0].output == "wrong\ngot 2"
    assert found[0].names == ("a", "refunds.a")


def test_a_file_nested_a_thousand_deep_is_read() -> None:
    body = b"<testsuite>" * 1000 + b"<testcase name='a'/>" + b"</testsuite>" * 1000
    assert junit.parse(body)[0].name == "a"


TAGS = st.sampled_from(["testsuites", "testsuite", "testcase", "failure", "error", "skipped", "system-out", "x"])
TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="<&>'\""), max_size=8)
ELEMENTS = st.recursive(
    st.builds(lambda tag, text, name: f"<{tag} name='{name}' time='{text}'>{text}</{tag}>", TAGS, TEXTS, TEXTS),
    lambda inner: st.builds(lambda tag, parts: f"<{tag}>{''.join(parts)}</{tag}>", TAGS, st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=300), ELEMENTS.map(str.encode), ELEMENTS.map(lambda xml: xml.encode()[:-3])))
def test_whatever_is_sent_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        found = junit.parse(body)
    except junit.UnreadableJunit:
        return
    assert found
    assert {test.outcome for test in found} <= {"pass", "fail", "error", "skipped"}


# -- filed as a run ----------------------------------------------------------------------------------------------------


@pytest.fixture
def made(db: None) -> BundleVersion:
    return version()


def test_a_file_is_a_finished_run_with_a_result_per_case(made: BundleVersion) -> None:
    case("refund")
    case("other", title="Other")
    run = filed(made, refund="pass", other="fail")
    assert (run.state, run.passed, run.failed, run.expected_total) == ("failed", 1, 1, 2)
    assert [(str(result), result.ms) for result in run.results.order_by("case__key")] == [
        ("other fail", 250.0),
        ("refund pass", 250.0),
    ]
    assert bytes(run.raw) == file_of(refund="pass", other="fail")


def test_a_case_that_is_not_in_the_file_was_not_run(made: BundleVersion) -> None:
    case("refund")
    case("other", title="Other")
    run = filed(made, refund="pass")
    assert run.state == EvalRun.State.ERROR
    assert run.error == "Not run: other."
    assert run.gate_result is None


def test_what_was_skipped_is_not_counted_and_named(made: BundleVersion) -> None:
    case("refund")
    run = filed(made, refund="skipped", stranger="pass")
    assert run.state == EvalRun.State.ERROR
    assert not run.results.exists()
    left = eval_runs.unmatched(run)
    assert (left.missing, left.skipped, left.unknown) == (["refund"], ["refund"], ["stranger"])


def test_a_case_that_stands_twice_makes_up_for_no_other(made: BundleVersion) -> None:
    case("refund")
    case("other", title="Other")
    body = b"<testsuite><testcase name='refund'/><testcase classname='x' name='refund'/></testsuite>"
    run = eval_runs.upload_junit(made, actor=person(), body=body)
    assert (run.state, run.passed, run.expected_total) == ("error", 2, 3)


def test_a_case_may_go_by_its_class_and_name(made: BundleVersion) -> None:
    case("refunds.above-limit")
    body = b"<testsuite><testcase classname='refunds' name='above-limit'/></testsuite>"
    assert eval_runs.upload_junit(made, actor=person(), body=body).state == "passed"


def test_a_case_tried_three_times_wants_three_results(made: BundleVersion) -> None:
    case("refund", repeats=3)
    one = b"<testcase name='refund'/>"
    assert eval_runs.upload_junit(made, actor=person(), body=one).state == "error"
    three = b"<testsuite>" + one * 3 + b"</testsuite>"
    assert eval_runs.upload_junit(made, actor=person(), body=three).state == "passed"


def test_the_same_file_again_is_the_run_it_already_is(made: BundleVersion) -> None:
    case("refund")
    assert filed(made, refund="pass") == filed(made, refund="pass")
    assert EvalRun.objects.count() == 1


def test_nul_and_markup_in_a_file_are_kept_as_text(made: BundleVersion) -> None:
    case("refund")
    body = b"<testsuite><testcase name='refund'><failure>&lt;script&gt;</failure></testcase></testsuite>"
    assert eval_runs.upload_junit(made, actor=person(), body=body).results.get().output == "<script>"


def test_a_file_is_filed_by_who_may_push(made: BundleVersion) -> None:
    case("refund")
    for actor in (person(SiteRole.VIEWER), machine(Scope.READ)):
        with pytest.raises(NotPermitted):
            eval_runs.upload_junit(made, actor=actor, body=file_of(refund="pass"))
    assert eval_runs.upload_junit(made, actor=machine(Scope.PUSH), body=file_of(refund="pass")).state == "passed"


def test_an_unreadable_file_and_a_missing_set_are_refused(made: BundleVersion) -> None:
    with pytest.raises(OperationRefused, match="no eval set called 'golden'") as refused:
        filed(made, refund="pass")
    assert isinstance(refused.value, NotFound)
    case("refund")
    with pytest.raises(OperationRefused, match="document type") as refused:
        eval_runs.upload_junit(made, actor=person(), body=BILLION)
    assert refused.value.status == 422
    assert not EvalRun.objects.exists()


def test_cases_within_cases_are_read_each_once_and_soon() -> None:
    deep = 20_000
    nested = b"<testcase name='a'><failure>" * deep + b"</failure></testcase>" * deep
    before = time.monotonic()
    found = junit.parse(b"<testsuite>" + nested + b"</testsuite>")
    assert [each.outcome for each in found] == ["fail"] * deep
    assert time.monotonic() - before < 10  # looked through again and again it takes a minute
