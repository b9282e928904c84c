"""Tokens that go with calls: of a file, which is followed, or of an OAuth server, kept until they are about to end."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import httpx
import msgspec

from flotilla_mixer.kit.adapter import Environment
from flotilla_mixer.kit.remote import OAuth, TlsAuthentication
from flotilla_mixer.kit.secrets import SecretError, SecretFile

FETCH_SECONDS = 10.0
EARLY_SECONDS = 10.0  # so long before its end a token is not used any more
WITHOUT_END_SECONDS = 300.0  # a token whose end is not said
LARGEST_ANSWER = 64 * 1024
QUIET_SECONDS = 1.0  # after a failure no other try is made for so long

Headers = Callable[[], Awaitable[tuple[tuple[str, str], ...]]]


class TokenError(Exception):
    """There is no token to call with; the text says why and holds no secret."""


class Granted(msgspec.Struct):
    """What an OAuth server answers (RFC 6749, 5.1)."""

    access_token: str
    expires_in: float | str = 0.0


async def no_headers() -> tuple[tuple[str, str], ...]:
    return ()


def headers_of(authentication: object, environment: Environment, roots: bytes) -> Headers:
    """The function that gives the headers of a call. It raises TokenError."""
    if not isinstance(authentication, TlsAuthentication):
        return no_headers
    tokens: Callable[[], Awaitable[str]]
    if authentication.oauth is not None:
        tokens = OAuthTokens(authentication.oauth, environment.secret(authentication.oauth.secret_file), roots).token
    else:
        tokens = FileTokens(environment.secret(authentication.token_file)).token

    async def headers() -> tuple[tuple[str, str], ...]:
        return ((authentication.header, authentication.prefix + await tokens()),)

    return headers


class FileTokens:
    """The token of a file; the file may be replaced at any time."""

    def __init__(self, secret: SecretFile) -> None:
        self._secret = secret

    async def token(self) -> str:
        return _secret_of(self._secret)


class OAuthTokens:
    """Tokens for client credentials (RFC 6749, 4.4). Calls that come while one is fetched wait for that one."""

    def __init__(
        self, oauth: OAuth, secret: SecretFile, roots: bytes, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._oauth = oauth
        self._secret = secret
        self._context = ssl.create_default_context(cadata=roots.decode("ascii", "ignore"))
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token, self._until, self._version = "", 0.0, -1
        self._failure, self._failed = "", -QUIET_SECONDS
        self._in_body = False  # some servers take the credentials in the body alone

    async def token(self) -> str:
        async with self._lock:
            secret = _secret_of(self._secret)
            if self._version != self._secret.version or self._clock() >= self._until:
                await self._renew(secret)
            return self._token

    async def _renew(self, secret: str) -> None:
        if self._clock() - self._failed < QUIET_SECONDS:
            raise TokenError(self._failure)
        try:
            granted = await self._fetch(secret)
        except (httpx.HTTPError, ValueError, TokenError) as error:
            self._failure = f"{self._oauth.token_url} gives no token: {str(error) or type(error).__name__}"
            self._failed = self._clock()
            raise TokenError(self._failure) from error
        life = float(granted.expires_in or 0) or WITHOUT_END_SECONDS
        self._token, self._version = granted.access_token, self._secret.version
        self._until = self._clock() + max(life - EARLY_SECONDS, life / 2)

    async def _fetch(self, secret: str) -> Granted:
        async with httpx.AsyncClient(verify=self._context, trust_env=False, timeout=FETCH_SECONDS) as client:
            response = await self._ask(client, secret)
            if response.status_code in (400, 401) and not self._in_body:
                self._in_body = True
                response = await self._ask(client, secret)
                self._in_body = response.status_code == 200
            if response.status_code != 200:
                raise TokenError(f"it answers {response.status_code}")
            if len(response.content) > LARGEST_ANSWER:
                raise TokenError("its answer is too long")
            granted = msgspec.json.decode(response.content, type=Granted)
            if not granted.access_token:
                raise TokenError("its answer has no token")
            return granted

    async def _ask(self, client: httpx.AsyncClient, secret: str) -> httpx.Response:
        form = {"grant_type": "client_credentials", **dict(self._oauth.parameters)}
        if self._oauth.scopes:
            form["scope"] = " ".join(self._oauth.scopes)
        if self._in_body:
            form |= {"client_id": self._oauth.client_id, "client_secret": secret}
            return await client.post(self._oauth.token_url, data=form)
        pair = (quote(self._oauth.client_id, safe=""), quote(secret, safe=""))
        return await client.post(self._oauth.token_url, data=form, auth=pair)


def _secret_of(secret: SecretFile) -> str:
    try:
        text = secret.read()
    except SecretError as error:
        raise TokenError(str(error)) from error
    if not (text.isascii() and text.isprintable()):
        raise TokenError(f"the secret {secret.path} cannot stand in a header: it has other signs than ASCII's")
    return text
