"""Inbound only: what Slack sends, from the signature to the operation. What leaves is in ``notifications/slack.py``."""
