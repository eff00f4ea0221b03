"""People and memory: alerts, incidents, responders, pages, the record."""

from incidents.models.action_item import ActionItem
from incidents.models.alert import Alert, AlertReceipt, Integration, Receipt
from incidents.models.cause import Cause, Confidence
from incidents.models.change import ChangeEvent
from incidents.models.incident import (
    Branch,
    DetectionSource,
    Diagnosis,
    Incident,
    Origin,
    RollbackAnswer,
    Severity,
    Status,
    Step,
)
from incidents.models.inference import EscapeAnswer, Factor, InferenceRow, Layer, LayerFinding, MovedVariable
from incidents.models.owed import Owed
from incidents.models.page import Destination, Notice, Page, SendAttempt
from incidents.models.postmortem import Postmortem, PostmortemRevision, PostmortemSection, Presence, SignOff
from incidents.models.responder import AcknowledgeLink, Acknowledgement, OnCall, Responder
from incidents.models.review import Review, StandardChange
from incidents.models.slack import SlackCard, SlackDelivery, SlackHealth, SlackIdentity
from incidents.models.timeline import MachineMove, TimelineEntry

__all__ = [
    "AcknowledgeLink",
    "Acknowledgement",
    "ActionItem",
    "Alert",
    "AlertReceipt",
    "Branch",
    "Cause",
    "ChangeEvent",
    "Confidence",
    "Destination",
    "DetectionSource",
    "Diagnosis",
    "EscapeAnswer",
    "Factor",
    "Incident",
    "InferenceRow",
    "Integration",
    "Layer",
    "LayerFinding",
    "MachineMove",
    "MovedVariable",
    "Notice",
    "OnCall",
    "Origin",
    "Owed",
    "Page",
    "Postmortem",
    "PostmortemRevision",
    "PostmortemSection",
    "Presence",
    "Receipt",
    "Responder",
    "Review",
    "RollbackAnswer",
    "SendAttempt",
    "Severity",
    "SignOff",
    "SlackCard",
    "SlackDelivery",
    "SlackHealth",
    "SlackIdentity",
    "StandardChange",
    "Status",
    "Step",
    "TimelineEntry",
]
