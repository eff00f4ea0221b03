"""Making and recognising secrets. Random ones need no slow hash: 256 bits cannot be guessed."""

from __future__ import annotations

import hashlib
import secrets


def new_secret(prefix: str) -> str:
    """A fresh secret, such as ``lg_token_…``: 256 random bits behind a prefix that tells what it is."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """SHA-256, hex: what is stored in its place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint_of(secret: str) -> str:
    """Enough of the beginning to tell keys apart, far too little to use."""
    return secret[:12]
