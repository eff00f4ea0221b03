"""Messages by mail, through whatever Django's settings name; files when they name no server."""

from __future__ import annotations

from smtplib import SMTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

from incidents.notifications.base import Message, TransportError, shortened


class EmailTransport:
    """One mail per message; the settings bound how long a server may take.

    The Message-ID follows from the message's id, so that mail systems fold what had to be sent twice.
    """

    def send(self, message: Message) -> str:
        mail = EmailMessage(message.subject, message.body, to=[message.address], headers=headers(message))
        try:
            mail.send()
        except (OSError, SMTPException) as error:
            raise TransportError(shortened(f"{type(error).__name__}: {error}")) from error
        if settings.MAILERS["default"]["BACKEND"].endswith("filebased.EmailBackend"):
            return "It lies in a file: no mail server is set."
        return "The mail server took it."


def headers(message: Message) -> dict[str, str]:
    if not message.id:
        return {}
    return {"Message-ID": f"<{message.id}@{urlsplit(settings.BASE_URL).hostname or 'lastgood'}>"}
