"""One call of a webhook, as the API server makes it."""

from __future__ import annotations

import ssl
import uuid
from typing import Any

import httpx

# What each webhook is asked about, by its path: nothing that it could have anything against.
_POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "verify", "namespace": "default", "labels": {"sidecar.istio.io/inject": "false"}},
    "spec": {"containers": [{"name": "verify", "image": "verify"}]},
}
_CONFIGURATION = {
    "apiVersion": "security.istio.io/v1",
    "kind": "PeerAuthentication",
    "metadata": {"name": "verify", "namespace": "default"},
    "spec": {"mtls": {"mode": "STRICT"}},
}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "/inject": ("pods", _POD),
    "/validate": ("peerauthentications", _CONFIGURATION),
}


def review(path: str, uid: str) -> dict[str, Any]:
    """An AdmissionReview of the object that is asked about at this path, as a dry run."""
    plural, subject = ASKED[path]
    group, _, version = subject["apiVersion"].rpartition("/")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": group, "version": version, "kind": subject["kind"]},
            "resource": {"group": group, "version": version, "resource": plural},
            "operation": "CREATE",
            "name": "verify",
            "namespace": "default",
            "userInfo": {"username": "flotilla:verify"},
            "object": subject,
            "dryRun": True,
        },
    }


async def call_webhook(target: str, server_name: str, path: str, root: str, seconds: float) -> str:
    """Gives what is wrong, or nothing when the webhook is trusted by the mesh's root and has answered this call."""
    uid = str(uuid.uuid4())
    url = f"https://{target}{path}"
    try:
        trust = ssl.create_default_context(cadata=root)
        async with httpx.AsyncClient(verify=trust, timeout=seconds, trust_env=False) as client:
            request = client.build_request("POST", url, json=review(path, uid), headers={"host": server_name})
            request.extensions["sni_hostname"] = server_name
            answer = await client.send(request)
    except ssl.SSLError as error:
        return f"the root certificate is not usable: {error}"
    except httpx.HTTPError as error:
        return f"{url}: {str(error) or type(error).__name__}"
    return _judge(url, answer, uid)


def _judge(url: str, answer: httpx.Response, uid: str) -> str:
    if answer.status_code != 200:
        return f"{url} answers {answer.status_code}: {answer.text[:200]}"
    try:
        response = answer.json()["response"]
        echoed, allowed = response["uid"], response["allowed"]
    except (ValueError, KeyError, TypeError):
        return f"{url} answers with something that is no AdmissionReview: {answer.text[:200]}"
    if echoed != uid:
        return f"{url} answers for another request"
    return "" if allowed is True else f"{url} refuses what it has nothing to do with"
