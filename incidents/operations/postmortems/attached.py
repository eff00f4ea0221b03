"""Postmortems at the versions they are about, for the pages of the library (R153)."""

from __future__ import annotations

from django.db.models import Case, Q, Value, When
from django.urls import reverse

from incidents.models import InferenceRow, PostmortemRevision
from rollouts.models import BundleVersion
from rollouts.signals import Written

MOST = 20


def written_about(version: BundleVersion) -> list[Written]:
    """The newest published revision of each postmortem in which the version was at fault or gone back to."""
    named = {"bundle": version.bundle.key, "number": version.number}
    at_fault = Q(content__bundle__from__contains=named)
    at_fault |= Q(content__inferences__contains=[{"version_at_fault": named}])
    here = Q(postmortem__incident__deployment__bundle=version.bundle_id)
    named_in = InferenceRow.objects.filter(version_at_fault__bundle=version.bundle_id).values("postmortem")
    newest = (
        PostmortemRevision.objects.filter(here | Q(postmortem__in=named_in))
        .order_by("postmortem", "-number")
        .distinct("postmortem")
    )
    rows = (
        PostmortemRevision.objects.filter(pk__in=newest.values("pk"))
        .annotate(
            part=Case(
                When(at_fault, then=Value("at fault")),
                When(content__bundle__to__contains=named, then=Value("gone back to")),
                default=Value(""),
            )
        )
        .exclude(part="")
        .order_by("-at")
        .values_list(
            "postmortem__incident__ref",
            "postmortem__incident__title",
            "postmortem__incident__severity",
            "part",
            "number",
            "at",
        )
    )
    return [
        Written(ref, title, severity, part, number, at, reverse("incidents:postmortem_revision", args=[ref, number]))
        for ref, title, severity, part, number, at in rows[:MOST]
    ]
