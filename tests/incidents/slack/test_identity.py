"""Which Slack user is which of our people: said by themselves while signed in, or by an admin; never guessed."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client

from accounts.errors import OperationRefused
from accounts.models import AuditEntry, SiteRole, User
from incidents.models import SlackIdentity
from incidents.operations import slack_identity
from tests.clock import MovableClock
from tests.factories.accounts import person
from tests.factories.incidents import someone
from tests.fake_slack import TEAM, FakeSlack
from tests.slack_requests import command, linked, say

pytestmark = pytest.mark.django_db


def link_for(slack: FakeSlack, user: str = "U0MARA") -> str:
    """The path that Slack shows to whoever types link."""
    say(command(slack, "link", user=user))
    text = slack.of("response")[-1].text
    return "/slack/link/" + text.partition("/slack/link/")[2].partition("|")[0]


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_person_links_themselves_by_a_link_that_only_they_were_shown(slack: FakeSlack, noon: datetime) -> None:
    slack.people["U0MARA"] = {"profile": {"email": "someone.else@example.com"}}
    mara, path = someone("Mara"), link_for(slack)
    assert slack.of("response")[-1].body["response_type"] == "ephemeral"
    shown = browser(mara).get(path)
    assert shown.status_code == 200
    assert "u0mara" in shown.content.decode()
    assert not SlackIdentity.objects.exists()
    assert "Linked" in browser(mara).post(path).content.decode()
    assert SlackIdentity.objects.get().user == mara
    assert AuditEntry.objects.filter(verb="link Slack", user=mara).exists()
    say(command(slack, "link"))
    assert "linked to ◍ Mara" in slack.of("response")[-1].text


def test_a_link_works_once_for_one_person_for_ten_minutes(
    slack: FakeSlack, noon: datetime, clock: MovableClock
) -> None:
    path = link_for(slack)
    browser(someone("Mara")).post(path)
    again = browser(someone("Jo")).post(path)
    assert again.status_code == 410
    assert SlackIdentity.objects.count() == 1
    late = link_for(slack, "U0LATE")
    clock.advance(minutes=11)
    assert browser(someone("Late")).get(late).status_code == 410


def test_a_link_that_was_made_up_is_not_known_and_nobody_links_signed_out(slack: FakeSlack, noon: datetime) -> None:
    assert browser(someone("Mara")).get("/slack/link/MTI:made:up/").status_code == 404
    assert Client().get(link_for(slack)).status_code == 302


def test_a_slack_user_is_one_person_and_a_person_one_slack_user(slack: FakeSlack, noon: datetime) -> None:
    mara = linked(someone("Mara"))
    refused = browser(mara).post(link_for(slack, "U0OTHER"))
    assert refused.status_code == 409
    assert "linked to another" in refused.content.decode()
    admin = person(SiteRole.ADMIN)
    with pytest.raises(Exception, match="linked to somebody else"):
        slack_identity.link(someone("Jo"), actor=admin, team_id=TEAM, slack_user_id="U0MARA")


def test_an_admin_links_and_unlinks_on_a_persons_page(slack: FakeSlack, noon: datetime) -> None:
    mara, admin = someone("Mara"), someone("Ada", SiteRole.ADMIN)
    page = f"/settings/people/{mara.pk}/"
    assert "Not linked" in browser(admin).get(page).content.decode()
    browser(admin).post(f"{page}slack/link/", {"team": "t0team", "slack_user": "u0mara"})
    assert (SlackIdentity.objects.get().team_id, SlackIdentity.objects.get().slack_user_id) == (TEAM, "U0MARA")
    assert "U0MARA" in browser(admin).get(page).content.decode()
    assert browser(admin).post(f"{page}slack/link/", {"team": "", "slack_user": "?"}).status_code == 422
    browser(admin).post(f"{page}slack/unlink/")
    assert not SlackIdentity.objects.exists()
    assert browser(admin).post(f"{page}slack/unlink/").status_code == 409
    said = AuditEntry.objects.filter(subject=mara.email).order_by("sequence")
    assert list(said.values_list("verb", flat=True)) == ["link Slack", "unlink Slack"]


def test_others_link_and_unlink_nobody_but_themselves(slack: FakeSlack, noon: datetime) -> None:
    mara, jo = linked(someone("Mara")), someone("Jo")
    page = f"/settings/people/{mara.pk}/slack/"
    assert browser(jo).post(f"{page}unlink/").status_code == 403
    assert browser(jo).post(f"{page}link/", {"team": TEAM, "slack_user": "U0JO"}).status_code == 403
    assert SlackIdentity.objects.get().user == mara
    assert browser(mara).post(f"{page}unlink/").status_code == 302
    assert not SlackIdentity.objects.exists()


def test_without_slack_a_persons_page_says_nothing_of_it(db: None) -> None:
    mara, admin = someone("Mara"), someone("Ada", SiteRole.ADMIN)
    assert "slack-h" not in browser(admin).get(f"/settings/people/{mara.pk}/").content.decode()


def test_an_admin_cannot_link_a_bot(slack: FakeSlack, noon: datetime) -> None:
    slack.people["U0ROBOT"] = {"is_bot": True}
    mara, admin = someone("Mara"), person(SiteRole.ADMIN)
    for machine in ("U0ROBOT", "USLACKBOT"):
        with pytest.raises(OperationRefused, match="is a bot"):
            slack_identity.link(mara, actor=admin, team_id=TEAM, slack_user_id=machine)
    assert not SlackIdentity.objects.exists()


def test_an_admin_links_a_person_although_slack_does_not_answer(slack: FakeSlack, noon: datetime) -> None:
    slack.down = True
    slack_identity.link(someone("Mara"), actor=person(SiteRole.ADMIN), team_id=TEAM, slack_user_id="U0MARA")
    assert SlackIdentity.objects.exists()
