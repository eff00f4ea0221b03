"""The machine: what ships, runs, is watched and is taken back."""

from rollouts.models.agent import Agent
from rollouts.models.baseline import EvalBaseline
from rollouts.models.bundle import Bundle, BundleVersion, GateResult
from rollouts.models.connector import Connector
from rollouts.models.deployment import Activation, Deployment, Environment, Waiver
from rollouts.models.drift import Drift, DriftWatch
from rollouts.models.evaluation import EvalResult, EvalRun, EvalSet, EvalSetVersion, RegressionCase
from rollouts.models.history import ConversationTreatment, TaintedConversation
from rollouts.models.in_flight import InFlightReport
from rollouts.models.instance import Instance
from rollouts.models.invocation import AgentRun, Invocation
from rollouts.models.kill_switch import Containment, KillSwitch, Stop, StopFetch
from rollouts.models.leg_work import LegDecision, LegEvidence, LegStep, LegWork
from rollouts.models.practice import PracticeRun
from rollouts.models.push_check import PromptRules, PushWarning
from rollouts.models.rollback import Propagation, Rollback, RollbackLeg

__all__ = [
    "Activation",
    "Agent",
    "AgentRun",
    "Bundle",
    "BundleVersion",
    "Connector",
    "Containment",
    "ConversationTreatment",
    "Deployment",
    "Drift",
    "DriftWatch",
    "Environment",
    "EvalBaseline",
    "EvalResult",
    "EvalRun",
    "EvalSet",
    "EvalSetVersion",
    "GateResult",
    "InFlightReport",
    "Instance",
    "Invocation",
    "KillSwitch",
    "LegDecision",
    "LegEvidence",
    "LegStep",
    "LegWork",
    "PracticeRun",
    "PromptRules",
    "Propagation",
    "PushWarning",
    "RegressionCase",
    "Rollback",
    "RollbackLeg",
    "Stop",
    "StopFetch",
    "TaintedConversation",
    "Waiver",
]
