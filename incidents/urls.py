"""The pages of this app."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from incidents.views import (
    acts,
    audit,
    board,
    closing,
    contain,
    declaring,
    duties,
    frame,
    live,
    oncall,
    receipts,
    runs,
    settings,
)
from incidents.views.room import room

app_name = "incidents"
urlpatterns: list[URLPattern] = [
    path("live", board.live, name="live"),
    path("events/", live.events, name="events"),
    path("major/", frame.major, name="major"),
    path("incidents/", board.incident_list, name="list"),
    path("incidents/declare/", declaring.declare, name="declare"),
    path("i/<str:ref>/", room, name="room"),
    re_path(r"^i/(?P<ref>[^/]+)/(?P<step>detect|triage|contain|resolve)/$", room, name="step"),
    path("i/<str:ref>/runs/<str:day>/<str:trace_id>/", runs.run, name="run"),
    path("i/<str:ref>/timeline/", acts.timeline, name="timeline"),
    path("i/<str:ref>/duties/", duties.duties, name="duties"),
    path("i/<str:ref>/postmortem/", closing.postmortem, name="postmortem"),
    path("i/<str:ref>/postmortem/close/", closing.document, name="document"),
    path("i/<str:ref>/acknowledge/", acts.acknowledge, name="acknowledge"),
    path("i/<str:ref>/note/", acts.note, name="note"),
    path("i/<str:ref>/why/", acts.why, name="why"),
    path("i/<str:ref>/severity/", acts.severity, name="severity"),
    path("i/<str:ref>/duty/", acts.duty, name="duty"),
    path("i/<str:ref>/agent/", acts.agent, name="agent"),
    path("i/<str:ref>/triage/answer/", acts.triage, name="triage"),
    path("i/<str:ref>/triage/close/", acts.close_triage, name="close_triage"),
    path("i/<str:ref>/skip/<str:step>/", acts.skip_step, name="skip_step"),
    path("i/<str:ref>/rollback/", contain.roll_back, name="rollback"),
    path("i/<str:ref>/rollforward/", contain.roll_forward, name="roll_forward"),
    path("i/<str:ref>/stop/", contain.stop, name="stop"),
    path("i/<str:ref>/release/", contain.release, name="release"),
    path("i/<str:ref>/waive/", contain.waive, name="waive"),
    path("i/<str:ref>/legs/<str:kind>/", contain.leg, name="leg"),
    path("i/<str:ref>/resolve/close/", closing.resolve, name="resolve"),
    path("i/<str:ref>/reopen/", closing.reopen, name="reopen"),
    path("oncall/", oncall.on_call, name="oncall"),
    path("oncall/ack/<str:token>/", oncall.acknowledge_link, name="acknowledge_link"),
    path("audit/", audit.audit, name="audit"),
    path("settings/", settings.first, name="settings"),
    path("settings/people/", settings.people, name="people"),
    path("settings/people/invite/", settings.invite, name="invite"),
    path("settings/people/<int:pk>/roles/", settings.roles, name="roles"),
    path("settings/tokens/", settings.tokens, name="tokens"),
    path("settings/tokens/issue/", settings.issue, name="issue"),
    path("settings/tokens/<str:kind>/<int:pk>/revoke/", settings.revoke, name="revoke"),
    path("settings/integrations/", settings.integrations, name="integrations"),
    path("receipts/", receipts.receipts, name="receipts"),
    path("receipts/<int:pk>/replay/", receipts.replay, name="replay"),
    path("settings/styleguide/", frame.styleguide, name="styleguide"),
]
