"""Tokens of the cluster: what is refused unasked, what the API server's word is worth, and how often it is asked."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_citadel.callers.caller import Caller, Credentials
from flotilla_citadel.callers.callers import Callers
from flotilla_citadel.callers.certificate import CertificateAuthenticator
from flotilla_citadel.callers.jwks import JwksFile
from flotilla_citadel.callers.kube_reviewer import AWAY, KubeReviewer
from flotilla_citadel.callers.review import (
    Claims,
    ReviewStatus,
    TokenReview,
    caller_of,
    check_claims,
    read_claims,
    review_request,
)
from flotilla_citadel.callers.token import TokenAuthenticator
from flotilla_citadel.callers.token_review import TokenReviewAuthenticator
from flotilla_citadel.errors import CallerRefused, RequestRefused, ReviewUnavailable
from flotilla_shared.runtime.kube.client import KubeClient
from flotilla_shared.runtime.kube.connection import KubeConnection
from flotilla_shared.runtime.kube.resources import TOKEN_REVIEWS
from flotilla_shared.testing.apiserver import Fault, running
from flotilla_shared.testing.ports import free_port

DOMAIN, AUDIENCES = "cluster.local", ("istio-ca",)
IDENTITY = "spiffe://cluster.local/ns/shop/sa/reviews"


def part(content: object) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def token(name: str = "a", **claims: Any) -> str:
    """A token whose signature nobody here can judge."""
    whole = {
        "aud": ["istio-ca"],
        "exp": time.time() + 3600,
        "iss": "https://kubernetes.default.svc",
        "jti": name,
        **claims,
    }
    return f"{part({'alg': 'RS256'})}.{part({k: v for k, v in whole.items() if v is not None})}.{part(b'signature')}"


UNASKED = [
    ("", "malformed-token"),
    ("abc", "malformed-token"),
    ("a.b.c.d", "malformed-token"),
    ("a..c", "malformed-token"),
    (f"a.{part(b'not JSON')}.c", "malformed-token"),
    (f"a.{part([1])}.c", "malformed-token"),
    (f"a.{part({'exp': 'soon'})}.c", "malformed-token"),
    (f"a.{part({'aud': 5, 'exp': 1})}.c", "malformed-token"),
    (f"é.{part({'exp': 9e9, 'aud': 'istio-ca'})}.c", "malformed-token"),
    (token(exp=None), "token-claims"),
    (token(aud=None), "token-claims"),
    (token(aud=[]), "token-claims"),
    (token(exp=time.time() - 1), "expired-token"),
    (token(aud=["https://kubernetes.default.svc"]), "token-audience"),
    (token(aud="vault"), "token-audience"),
]


@pytest.mark.parametrize(("text", "reason"), UNASKED)
def test_what_cannot_hold_is_refused_unasked(text, reason):
    with pytest.raises(CallerRefused) as refused:
        check_claims(read_claims(text), AUDIENCES, time.time())
    assert refused.value.reason == reason
    assert not text or text not in refused.value.text


def test_the_sentence_names_the_audience_that_is_needed():
    with pytest.raises(CallerRefused, match="another audience: one for istio-ca or mesh is needed"):
        check_claims(Claims(exp=9e9, aud=("other",)), ("istio-ca", "mesh"), 0.0)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_read_or_refused(content):
    for text in (content.decode("latin-1"), f"a.{part(content)}.c", f"a.{content.decode('latin-1')}.c"):
        try:
            read_claims(text)
        except CallerRefused as refused:
            assert refused.reason == "malformed-token"  # noqa: PT017


def status(**changes: Any) -> ReviewStatus:
    """What kube-apiserver says of a good token of a Pod; `user__x` changes the user."""
    whole: dict[str, Any] = {
        "authenticated": True,
        "audiences": ["istio-ca"],
        "user": {
            "username": "system:serviceaccount:shop:reviews",
            "uid": "1",
            "groups": ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"],
            "extra": {
                "authentication.kubernetes.io/pod-name": ["reviews-1"],
                "authentication.kubernetes.io/pod-uid": ["2"],
            },
        },
    }
    for path, value in changes.items():
        name, _, key = path.partition("__")
        whole[name] = {**whole[name], key: value} if key else value
    return msgspec.convert(whole, ReviewStatus)


def test_the_caller_is_the_service_account_and_its_pod_is_known():
    assert caller_of(status(), AUDIENCES, DOMAIN, 9e9) == Caller(IDENTITY, "token", 9e9, "shop/reviews-1")
    assert caller_of(status(user__extra={}), AUDIENCES, DOMAIN, 9e9).pod == ""


REFUSED = [
    ({"authenticated": False, "error": "invalid bearer token"}, "token-refused"),
    ({"audiences": []}, "token-audience"),  # whoever verified it knows no audiences
    ({"audiences": ["other"]}, "token-audience"),
    ({"user__groups": ["system:authenticated"]}, "token-subject"),
    ({"user__username": "kubernetes-admin"}, "token-subject"),
    ({"user__username": "system:node:one"}, "token-subject"),
    ({"user__username": "system:serviceaccount:shop"}, "token-subject"),
    ({"user__username": "system:serviceaccount::reviews"}, "token-subject"),
    ({"user__username": "system:serviceaccount:shop:a/sa/b"}, "token-subject"),
    ({"user__username": "system:serviceaccount:shop:a,b"}, "token-subject"),
    ({"user__username": "system:serviceaccount:a/b:reviews"}, "token-subject"),
    ({"user__username": "system:serviceaccount:shop:a:b"}, "token-subject"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_who_is_no_service_account_for_us_is_refused(changes, reason):
    with pytest.raises(CallerRefused) as refused:
        caller_of(status(**changes), AUDIENCES, DOMAIN, 9e9)
    assert refused.value.reason == reason


def test_what_the_api_server_says_stays_in_the_log():
    with pytest.raises(CallerRefused) as refused:
        caller_of(status(authenticated=False, error="token lookup failed: secret"), AUDIENCES, DOMAIN, 9e9)
    assert refused.value.text == "the API server does not accept the token"
    assert refused.value.detail == "token lookup failed: secret"


def test_the_question_is_as_kubernetes_wants_it():
    assert review_request("t", ("a", "b")) == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": "t", "audiences": ["a", "b"]},
    }


class Judge:
    """A Reviewer that answers when a test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = self.most_open = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer: ReviewStatus | RequestRefused = status()

    async def review(self, token: str) -> ReviewStatus:
        self.asked.append(token)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self.gate.wait()
        finally:
            self.open -= 1
        if isinstance(self.answer, RequestRefused):
            raise self.answer
        return self.answer


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
async def reviews(judge: Judge) -> AsyncIterator[TokenReviewAuthenticator]:
    made = TokenReviewAuthenticator(
        judge, audiences=AUDIENCES, trust_domain=DOMAIN, cache_seconds=60, most_open=2, most_waiting=4
    )
    yield made
    await made.stop()


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_token_that_holds_is_asked_about_once_a_while(reviews: TokenReviewAuthenticator, judge: Judge) -> None:
    text, now = token(), time.time()
    assert reviews.known(text, now) is None
    assert (await reviews.ask(text)).identity == IDENTITY
    known = reviews.known(text, now)
    assert known is not None
    assert known.identity == IDENTITY
    assert reviews.known(token("b"), now) is None
    assert reviews.known(text, now + 61) is None  # deleted Pods' tokens end with the Pod
    assert len(judge.asked) == 1


async def test_what_is_remembered_ends_with_the_token(reviews: TokenReviewAuthenticator) -> None:
    now = time.time()
    text = token(exp=now + 10)
    await reviews.ask(text)
    assert reviews.known(text, now + 5) is not None
    with pytest.raises(CallerRefused, match="expired"):
        reviews.known(text, now + 11)


async def test_nothing_is_remembered_where_the_settings_say_so(judge: Judge) -> None:
    reviews = TokenReviewAuthenticator(judge, audiences=AUDIENCES, trust_domain=DOMAIN, cache_seconds=0)
    text = token()
    await reviews.ask(text)
    assert reviews.known(text, time.time()) is None
    await reviews.stop()


async def test_calls_with_one_token_share_one_question(reviews: TokenReviewAuthenticator, judge: Judge) -> None:
    judge.gate.clear()
    text = token()
    calls = [asyncio.create_task(reviews.ask(text)) for _ in range(10)]
    await turns()
    calls[0].cancel()  # whoever asked first has gone
    judge.gate.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert {each.identity for each in found[1:]} == {IDENTITY}
    assert len(judge.asked) == 1


async def test_an_answer_that_came_since_is_not_asked_for_again(
    reviews: TokenReviewAuthenticator, judge: Judge
) -> None:
    text = token()
    assert reviews.known(text, time.time()) is None
    late = reviews.ask(text)  # its turn on the loop comes when another call's question is answered already
    await reviews.ask(text)
    assert (await late).identity == IDENTITY
    assert len(judge.asked) == 1


async def test_a_refusal_reaches_all_and_is_not_remembered(reviews: TokenReviewAuthenticator, judge: Judge) -> None:
    judge.answer = status(authenticated=False)
    text = token()
    found = await asyncio.gather(*(reviews.ask(text) for _ in range(3)), return_exceptions=True)
    assert {type(each) for each in found} == {CallerRefused}
    judge.answer = status()
    assert reviews.known(text, time.time()) is None
    assert (await reviews.ask(text)).identity == IDENTITY


async def test_the_number_of_questions_is_bounded(reviews: TokenReviewAuthenticator, judge: Judge) -> None:
    judge.gate.clear()
    calls = [asyncio.create_task(reviews.ask(token(str(number)))) for number in range(4)]
    await turns()
    with pytest.raises(ReviewUnavailable, match="too many"):
        await reviews.ask(token("one too many"))
    judge.gate.set()
    assert len(await asyncio.gather(*calls)) == 4
    assert judge.most_open == 2
    assert (await reviews.ask(token("one too many"))).identity == IDENTITY


async def test_stopping_ends_what_is_open(judge: Judge) -> None:
    judge.gate.clear()
    reviews = TokenReviewAuthenticator(judge, audiences=AUDIENCES, trust_domain=DOMAIN)
    call = asyncio.create_task(reviews.ask(token()))
    await turns()
    await reviews.stop()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_token_goes_to_whoever_its_issuer_is(
    reviews: TokenReviewAuthenticator, judge: Judge, root: Any, issuer: Any
) -> None:
    """Tokens of the configured issuer never reach the API server, and the others never the keys."""
    keys = TokenAuthenticator(
        issuer="https://tokens.example", audiences=AUDIENCES, keys=JwksFile(issuer.path), trust_domain=DOMAIN
    )
    certificates = CertificateAuthenticator(root=root.certificate, trust_domain=DOMAIN)
    callers = Callers(certificates, keys, reviews)
    ours = callers.caller(Credentials(token=issuer.token()), time.time())
    assert isinstance(ours, Caller)
    assert ours.identity.endswith("/ns/default/sa/reviews")
    with pytest.raises(CallerRefused) as refused:
        callers.caller(Credentials(token=issuer.token(aud="other")), time.time())
    assert refused.value.reason == "token-audience"
    assert judge.asked == []
    theirs = callers.caller(Credentials(token=token()), time.time())
    assert not isinstance(theirs, Caller)
    assert (await theirs).identity == IDENTITY


async def test_the_fault_of_a_certificate_is_told_with_the_tokens(
    reviews: TokenReviewAuthenticator, judge: Judge, root: Any
) -> None:
    judge.answer = status(authenticated=False)
    certificates = CertificateAuthenticator(root=root.certificate, trust_domain=DOMAIN)
    later = Callers(certificates, None, reviews).caller(Credentials(token(), b"rubbish"), time.time())
    assert not isinstance(later, Caller)
    with pytest.raises(CallerRefused) as refused:
        await later
    assert refused.value.reason == "foreign-certificate+token-refused"


AWAYS = [
    Fault("create", 500, "InternalError", "etcd is away"),
    Fault("create", 403, "Forbidden", 'User "x" cannot create resource "tokenreviews"'),
    Fault("create", 401, "Unauthorized", "Unauthorized"),
    Fault("create", 404, "NotFound", "no such thing"),
]


@pytest.mark.parametrize("fault", AWAYS, ids=lambda fault: str(fault.code))
async def test_what_the_api_server_does_not_say_is_unavailable(fault: Fault) -> None:
    counted: list[str] = []
    async with running(TOKEN_REVIEWS) as server:
        server.fail(Fault(**vars(fault)))
        client = server.client()
        await client.start()
        with pytest.raises(ReviewUnavailable) as refused:
            await KubeReviewer(client, AUDIENCES, lambda result, _: counted.append(result)).review("t")
        await client.stop()
    assert (refused.value.text, counted) == (AWAY, ["failed"])
    assert fault.message in refused.value.detail
    assert fault.message not in refused.value.text


async def test_an_api_server_that_is_silent_or_gone_is_unavailable() -> None:
    async with running(TOKEN_REVIEWS) as server:
        server.fail(Fault("create", 503, hang=True))
        client = server.client()
        await client.start()
        with pytest.raises(ReviewUnavailable, match="does not answer"):
            await KubeReviewer(client, AUDIENCES, lambda *_: None, seconds=0.01).review("t")
        server.release()
        await client.stop()
    gone = KubeClient(KubeConnection(f"http://127.0.0.1:{free_port()}"))
    await gone.start()
    with pytest.raises(ReviewUnavailable, match="does not answer"):
        await KubeReviewer(gone, AUDIENCES, lambda *_: None).review("t")
    await gone.stop()


def test_an_answer_without_a_status_is_no_yes():
    assert msgspec.json.decode(b'{"kind":"TokenReview"}', type=TokenReview).status.authenticated is False
