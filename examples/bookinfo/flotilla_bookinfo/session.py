"""Who has logged in: a name in a signed cookie. There is no password to check; the example has none."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

COOKIE = "session"


class Sessions:
    """Signs and reads the cookie with a key of this process: a restart logs everybody out."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def write(self, user: str) -> str:
        name = base64.urlsafe_b64encode(user.encode()).decode().rstrip("=")
        return f"{name}.{self._signature(name)}"

    def read(self, cookie: str) -> str:
        """The user's name, or "" for a cookie that this process has not signed."""
        name, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(name).encode()):
            return ""
        try:
            return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def _signature(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()
