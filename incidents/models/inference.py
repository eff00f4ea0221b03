"""What the agent saw and made of it, and what else moved: the rows that ordinary postmortems lack."""

from __future__ import annotations

from django.db import models

from incidents.models.cause import Confidence
from incidents.models.incident import Diagnosis
from incidents.models.postmortem import Edited, Postmortem
from rollouts.models import BundleVersion


class Layer(models.TextChoices):
    """Where in the agent's making a fault can sit: four layers and three cross-cuts (our own axis)."""

    CONTEXT = "context", "Context and retrieval"
    INSTRUCTION = "instruction", "Instruction"
    MODEL = "model", "Model and inference"
    TOOLS = "tools", "Tools and integration"
    EVALUATION = "evaluation", "Evaluation and monitoring"
    GOVERNANCE = "governance", "Change governance"
    PERMISSIONS = "permissions", "Permissions"


class InferenceRow(Edited):
    """One inference that went wrong (R154): what it saw, inferred, and should have inferred."""

    class Spec(models.TextChoices):
        """The first fork: whether what it was told said what to do here."""

        INCOMPLETE = "incomplete", "Incomplete: it did not say (spec gap)"
        COMPLETE = "complete", "Complete: it said so and was not followed (execution gap)"

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="inferences")
    position = models.PositiveIntegerField()
    saw = models.TextField(blank=True, help_text="Instruction, retrieved text, tool results, memory.")
    inferred = models.TextField(blank=True, help_text="The plan or scenario, as its actions show.")
    should_have_inferred = models.TextField(blank=True, help_text="What a competent reader of the same would do.")
    spec = models.CharField(max_length=10, choices=Spec, blank=True, db_default="", help_text="Was the spec complete?")
    alternatives = models.TextField(blank=True)
    cue = models.TextField(blank=True, help_text="What it weighed wrongly, or lacked.")
    claimed_reasoning = models.TextField(blank=True, help_text="What the model said of itself: testimony.")
    evidenced_reasoning = models.TextField(blank=True, help_text="What its actions show: evidence.")
    action = models.TextField(blank=True, help_text="What it did: tool calls and what they changed.")
    authority = models.TextField(blank=True, help_text="By which credential and rule; can it be undone?")
    failures = models.PositiveIntegerField(null=True, blank=True, help_text="k of k in n replays.")
    replays = models.PositiveIntegerField(null=True, blank=True, help_text="n of k in n replays.")
    fixed_failures = models.PositiveIntegerField(null=True, blank=True, help_text="k in n replays on the fix.")
    fixed_replays = models.PositiveIntegerField(null=True, blank=True, help_text="n replays on the fix.")
    day = models.DateField(null=True, blank=True)
    trace_id = models.CharField(max_length=32, blank=True)
    span_id = models.CharField(max_length=16, blank=True)
    version_at_fault = models.ForeignKey(BundleVersion, models.PROTECT, null=True, blank=True, related_name="+")
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(failures=None) | models.Q(replays__isnull=False, replays__gte=models.F("failures")),
                name="inference_fails_at_most_as_often_as_tried",
            ),
            models.CheckConstraint(
                condition=models.Q(fixed_failures=None)
                | models.Q(fixed_replays__isnull=False, fixed_replays__gte=models.F("fixed_failures")),
                name="fix_fails_at_most_as_often_as_tried",
            ),
        ]

    def __str__(self) -> str:
        return f"inference {self.position} of {self.postmortem}"


class MovedVariable(Edited):
    """Whether one of nine variables moved before the incident, from what to what, and how we know."""

    class Variable(models.TextChoices):
        PROMPT = "prompt", "Prompt revision"
        MODEL = "model", "Model snapshot or router slice"
        JUDGE = "judge", "Judge configuration"
        RETRIEVAL = "retrieval", "Retrieval index"
        TOOLS = "tools", "Tool schema versions"
        TRAFFIC = "traffic", "Traffic mix"
        PARAMETERS = "parameters", "Inference parameters"
        HARNESS = "harness", "Harness and context management"
        ROUTE = "route", "Serving route or hardware"

    class Moved(models.TextChoices):
        MOVED = "moved", "Moved"
        NOT_MOVED = "not_moved", "Not moved"
        UNKNOWN = "unknown", "Unknown"

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="variables")
    variable = models.CharField(max_length=10, choices=Variable)
    moved = models.CharField(max_length=9, choices=Moved, default=Moved.UNKNOWN)
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    evidence = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["postmortem", "variable"], name="variable_once_per_postmortem")]

    def __str__(self) -> str:
        return f"{self.get_variable_display()}: {self.get_moved_display()}"


class LayerFinding(Edited):
    """One layer, examined (R158): implicated, cleared or unknown, with evidence and an owner."""

    class Finding(models.TextChoices):
        IMPLICATED = "implicated", "Implicated"
        CLEARED = "cleared", "Cleared"
        UNKNOWN = "unknown", "Unknown"

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="layers")
    layer = models.CharField(max_length=11, choices=Layer)
    finding = models.CharField(max_length=10, choices=Finding, default=Finding.UNKNOWN)
    evidence = models.TextField(blank=True)
    owner = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["postmortem", "layer"], name="layer_once_per_postmortem")]

    def __str__(self) -> str:
        return f"{self.get_layer_display()}: {self.get_finding_display()}"


class EscapeAnswer(Edited):
    """One question about why it slipped through, and what was answered. Every rollback asks the first three (R076)."""

    class Question(models.TextChoices):
        CANARY = "canary", "Why did the canary miss it?"
        TESTS = "tests", "Why did the conformance tests pass?"
        CHANGE = "change", "Was the change right but badly communicated, or a spec error?"
        WAVE = "wave", "Would a smaller wave or a longer bake have caught it?"
        ALERTS = "alerts", "Why did no monitor tell sooner?"
        PEOPLE = "people", "Who doubted it before, and why did that not count?"

    #: Those a rollback cannot leave open.
    OWED = (Question.CANARY, Question.TESTS, Question.CHANGE)

    class Verdict(models.TextChoices):
        """For the question of the change; R150 makes the third a first-class outcome."""

        RIGHT_BADLY_COMMUNICATED = "right_badly_communicated", "Right, but badly communicated"
        SPEC_ERROR = "spec_error", "Spec error"
        LACKED_EXCEPTION = "lacked_exception", "Right, but lacked an exception path"

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="escapes")
    question = models.CharField(max_length=6, choices=Question)
    verdict = models.CharField(max_length=24, choices=Verdict, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["postmortem", "question"], name="escape_asked_once")]

    def __str__(self) -> str:
        return self.get_question_display()


class Factor(Edited):
    """One contributing factor, with how sure we are, and the evidence."""

    postmortem = models.ForeignKey(Postmortem, models.PROTECT, related_name="factors")
    position = models.PositiveIntegerField()
    text = models.TextField()
    layer = models.CharField(max_length=11, choices=Layer, blank=True)
    diagnosis = models.CharField(max_length=20, choices=Diagnosis, blank=True)
    confidence = models.CharField(max_length=8, choices=Confidence, default=Confidence.POSSIBLE)
    evidence = models.TextField(blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return self.text[:80]
