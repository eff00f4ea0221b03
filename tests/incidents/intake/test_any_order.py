"""Whatever monitors send, in whatever groups it is stored: the same truth, and every receipt counted once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import SiteRole, User
from incidents.models import Alert, AlertReceipt, Incident, Page, Receipt, TimelineEntry
from incidents.operations import timeline
from tests.factories.accounts import UserFactory
from tests.intakes import alert, integration, notification, send, statuses

SENT = st.builds(
    lambda keys, status, group, title, severity: notification(
        *(alert(key, status, severity=severity, title=title) for key in keys), group=group
    ),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3),
    st.sampled_from(["firing", "firing", "resolved"]),
    st.sampled_from(["g1", "g2"]),
    st.sampled_from(["one", "another"]),
    st.sampled_from(["critical", "warning", ""]),
)


def stored() -> list[Any]:
    """What is true now, whatever the numbers of the rows."""
    alerts = Alert.objects.order_by("incident_id", "dedup_key").select_related("incident")
    position = {pk: number for number, pk in enumerate(Incident.objects.order_by("pk").values_list("pk", flat=True))}
    return [
        (
            position[sent.incident_id],
            sent.dedup_key,
            sent.title,
            sent.firing,
            sent.received_count,
            sent.incident.severity,
            sent.incident.status,
        )
        for sent in alerts
    ]


@pytest.fixture
def admin(transactional_db: None) -> User:
    """Somebody to wake."""
    return UserFactory(roles=[SiteRole.ADMIN])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(SENT, min_size=1, max_size=8), cuts=st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_one_by_one_or_in_groups_the_same_is_stored(admin: User, bodies: list[Any], cuts: list[int]) -> None:
    single, _ = integration()
    said = [statuses(send(single, body)) for body in bodies]
    alone = [row for row in stored() if row]
    check()
    forget()

    grouped, _ = integration()
    rest, together = list(bodies), []
    for size in itertools.cycle(cuts):
        if not rest:
            break
        answers = send(grouped, *rest[:size])
        together += [statuses([answer]) for answer in answers]
        rest = rest[size:]
    assert together == said
    assert stored() == alone
    check()
    forget()


def check() -> None:
    """The invariants."""
    for sent in Alert.objects.all():
        assert sent.received_count == sent.receipt_links.count()
        assert sent.incident.is_open
    for incident in Incident.objects.all():
        assert timeline.first_broken(incident) is None
        firing = incident.alerts.filter(firing=True).exists()
        assert (incident.recovered_at is None) == firing
        assert incident.pages.count() == (Page.objects.filter(incident=incident).values("user").distinct().count())
    assert not Incident.objects.filter(alerts=None).exists()
    assert AlertReceipt.objects.filter(status="opened").count() == Incident.objects.count()


def forget() -> None:
    """Empty what this test wrote; the triggers would refuse."""
    from django.db import connection

    tables = [model._meta.db_table for model in (Receipt, Alert, AlertReceipt, Incident, TimelineEntry, Page)]
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL session_replication_role = replica")
        cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE; COMMIT")
