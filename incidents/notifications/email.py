"""Messages by mail, through whatever Django's settings name; files when they name no server."""

from __future__ import annotations

from smtplib import SMTPException

from django.core.mail import EmailMessage

from incidents.notifications.base import Message, TransportError


class EmailTransport:
    """One mail per message; the settings bound how long a server may take."""

    def send(self, message: Message) -> None:
        try:
            EmailMessage(message.subject, message.body, to=[message.address]).send()
        except (OSError, SMTPException) as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error
