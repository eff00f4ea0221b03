"""The page an incident leaves behind: texts written side by side, published as revisions that never change."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts import clock
from accounts.models import Acted, append_only
from incidents.models.incident import Incident


class Edited(models.Model):
    """Abstract: a row that several people may edit. Who writes says which ``version`` they read (409 otherwise)."""

    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True


class Postmortem(Edited):
    """One incident's postmortem: its rows hang on it. Its own columns are the ownership of the changed prompt (R161).

    Each of the three owners is a name, or ``nobody``; blank means that no one has said yet.
    """

    NOBODY = "nobody"

    class Autonomy(models.TextChoices):
        """What the agent may do alone from now on."""

        KEEP = "keep", "Keep"
        NARROW = "narrow", "Narrow"
        DEMOTE = "demote", "Demote"

    incident = models.OneToOneField(Incident, models.PROTECT, related_name="postmortem")
    created_at = models.DateTimeField(default=clock.now)
    made_by = models.CharField(max_length=200, blank=True, help_text="Who made the change; nobody is an answer.")
    reviewed_by = models.CharField(max_length=200, blank=True, help_text="Who reviewed it; nobody is an answer.")
    next_owner = models.CharField(max_length=200, blank=True, help_text="Who owns it next; nobody is an answer.")
    path = models.CharField(max_length=200, blank=True, help_text="How it got there: pull request, console, flag.")
    damage_rate_per_second = models.FloatField(null=True, blank=True)
    damage_unit = models.CharField(max_length=60, blank=True, help_text="What the rate counts: refunds, mails, EUR.")
    blast_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text="After so long the damage is more than can be borne; containing must be faster.",
    )
    autonomy = models.CharField(max_length=6, choices=Autonomy, blank=True)
    access_blocked_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long responders waited for an access they lacked."
    )
    false_acks = models.PositiveIntegerField(
        null=True, blank=True, help_text="Acknowledgements behind which nobody looked."
    )
    slowed_by = models.TextField(blank=True, db_default="", help_text="What else slowed the response.")

    def __str__(self) -> str:
        return f"postmortem of {self.incident}"

    def texts(self) -> dict[str, str]:
        """The text of each section that was begun, by its name."""
        return dict(self.sections.values_list("name", "text"))


class PostmortemSection(Edited):
    """One text of the page, in Markdown; saved alone, so that two people can write at once."""

    class Name(models.TextChoices):
        SUMMARY = "summary", "Summary"
        IMPACT = "impact", "Impact"
        ROOT_CAUSE = "root_cause", "Root cause"
        RESOLUTION = "resolution", "Resolution"
        PREVENTION = "prevention", "Prevention"
        DETECTION = "detection", "How it came to light, and what would have been faster"
        SIDE_EFFECTS = "side_effects", "What is left behind, and who repairs it"
        CUSTOMERS = "customers", "What customers saw and were told"
        LESSONS = "lessons", "What went well, luck, surprises"

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="sections")
    name = models.CharField(max_length=12, choices=Name)
    text = models.TextField(blank=True)
    is_draft = models.BooleanField(default=False, help_text="Filled in from the record; nobody has checked it.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["postmortem", "name"], name="section_once_per_postmortem")]

    def __str__(self) -> str:
        return f"{self.get_name_display()} of {self.postmortem}"


class Presence(models.Model):
    """Who has the page open, and where; worth a minute."""

    postmortem = models.ForeignKey(Postmortem, models.CASCADE, related_name="presences")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    section = models.CharField(max_length=20, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["postmortem", "user"], name="presence_once_per_person")]

    def __str__(self) -> str:
        return f"{self.user} at {self.postmortem}"


class PostmortemRevision(Acted):
    """The whole page as it was published: JSON by the schema in ``docs/postmortems.md``, and its SHA-256. Immutable."""

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    digest = models.CharField(max_length=64, help_text="SHA-256 over RFC 8785 JSON of the content.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["postmortem", "number"], name="revision_number_once"),
            models.CheckConstraint(condition=Q(actor_kind="person"), name="revision_published_by_a_person"),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.postmortem} r{self.number}"


class SignOff(Acted):
    """A person's signature under one revision, in one role."""

    class Role(models.TextChoices):
        COMMANDER = "commander", "Commander"
        APPROVER = "approver", "Approver"

    revision = models.ForeignKey(PostmortemRevision, models.PROTECT, related_name="sign_offs")
    role = models.CharField(max_length=9, choices=Role)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "role"], name="signed_once_per_role"),
            models.CheckConstraint(
                condition=Q(actor_kind="person") & Q(user__isnull=False), name="sign_off_is_a_persons"
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.role} signed {self.revision}"
