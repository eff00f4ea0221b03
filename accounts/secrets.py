"""Making and recognising secrets. Random ones need no slow hash: 256 bits cannot be guessed.

What others gave us to use again (a token, a signing secret) is stored sealed, by a key that follows from SECRET_KEY.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def new_secret(prefix: str) -> str:
    """A fresh secret, such as ``lg_token_…``: 256 random bits behind a prefix that tells what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """SHA-256, hex: what is stored in its place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint_of(secret: str) -> str:
    """Enough of the beginning to tell keys apart, far too little to use."""
    return secret[:12]


class Unsealable(Exception):
    """A stored secret cannot be opened; ``str()`` says what to do about it."""


def seal(secret: str) -> bytes:
    """``secret`` as it may lie in the database."""
    return _box().encrypt(secret.encode())


def unseal(sealed: bytes | memoryview) -> str:
    """What was sealed; Unsealable when SECRET_KEY is another one by now."""
    try:
        return _box().decrypt(bytes(sealed)).decode()
    except InvalidToken:
        raise Unsealable("This secret was stored under another SECRET_KEY. Enter or rotate it again.") from None


def _box() -> Fernet:
    key = HKDF(SHA256(), 32, salt=None, info=b"lastgood: sealed secrets").derive(settings.SECRET_KEY.encode())
    return Fernet(base64.urlsafe_b64encode(key))
