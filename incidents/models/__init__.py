"""People and memory: alerts, incidents, responders, pages, the record."""

from incidents.models.alert import Alert, AlertReceipt, Integration, Receipt
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
from incidents.models.owed import Owed
from incidents.models.page import Notice, Page
from incidents.models.postmortem import Postmortem
from incidents.models.responder import AcknowledgeLink, Acknowledgement, OnCall, Responder
from incidents.models.timeline import MachineMove, TimelineEntry

__all__ = [
    "AcknowledgeLink",
    "Acknowledgement",
    "Alert",
    "AlertReceipt",
    "Branch",
    "DetectionSource",
    "Diagnosis",
    "Incident",
    "Integration",
    "MachineMove",
    "Notice",
    "OnCall",
    "Origin",
    "Owed",
    "Page",
    "Postmortem",
    "Receipt",
    "Responder",
    "RollbackAnswer",
    "Severity",
    "Status",
    "Step",
    "TimelineEntry",
]
