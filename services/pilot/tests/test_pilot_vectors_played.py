"""Every table of today's Istio is played by some test, or stands here with the reason why not."""

from pathlib import Path

NOT_YET = "not played yet, but by what Istio made of whole meshes (xds-from-tests, golden)"
LATER = "belongs to a later issue: "
AUTHORIZATION, TOKENS, TELEMETRY = (LATER + each for each in ("authorization", "request authentication", "telemetry"))
PUSHES = "what is pushed follows from what was compiled, not from comparing objects"
AMBIENT = "ambient meshes and the Gateway API are not offered"
ONE_CLUSTER = "there is one cluster, and everybody sees all of it"
UNPLAYED = {
    "unit/authz-model": AUTHORIZATION,
    "unit/matcher": AUTHORIZATION,
    "unit/security-attributes": AUTHORIZATION,
    "unit/trustdomain": AUTHORIZATION + ", whose principals it is about",
    "unit/telemetry-names": TELEMETRY,
    "tables/authenticate-oidc": "Citadel's own cases hold its tokens",
    "tables/authenticate-xfcc_authenticator": "nothing stands before the control plane that speaks for its callers",
    "tables/client-dns": "the agent answers no DNS",
    "tables/core-accesslog": NOT_YET,
    "tables/core-connection_settings": NOT_YET,
    "tables/core-networkfilter": NOT_YET,
    "tables/core-tracing": NOT_YET,
    "tables/model-addressmap": "addresses by cluster: " + ONE_CLUSTER,
    "tables/model-authorization": AUTHORIZATION,
    "tables/model-cluster_local": ONE_CLUSTER,
    "tables/model-config_compare": PUSHES,
    "tables/model-context": "the nodes of the rows have no namespace, by which a proxy is known here, or ask for Istio's versions",
    "tables/model-destination_rule": PUSHES,
    "tables/model-extensions": "extensions are not offered",
    "tables/model-jwks_resolver": TOKENS,
    "tables/model-policyattachment": AMBIENT,
    "tables/model-proxy_config": "objects of kind ProxyConfig are not read",
    "tables/model-proxy_view": ONE_CLUSTER,
    "tables/model-telemetry": TELEMETRY,
    "tables/model-telemetry_logging": TELEMETRY,
    "tables/model-telemetry_metric": TELEMETRY,
    "tables/model-validation": "configuration is judged by Galley, and what the platform tells is taken as it is",
    "tables/serviceentry-gateway": AMBIENT,
}
FAMILIES = ("tables/core-cluster", "tables/envoyfilter-")
"""Tables that one test finds by the beginning of their names."""


def tables(vectors: Path) -> list[str]:
    files = [*(vectors / "today" / "unit").glob("*.jsonl"), *(vectors / "today" / "tables").glob("*.jsonl")]
    return sorted(f"{each.parent.name}/{each.stem}" for each in files if each.stat().st_size)


def test_no_table_is_forgotten(vectors: Path) -> None:
    tests = (each for each in Path(__file__).parent.glob("test_*.py") if each.name != Path(__file__).name)
    text = "\n".join(each.read_text() for each in tests)
    held = tables(vectors)
    played = {each for each in held if each.startswith(FAMILIES) or f'{each.partition("/")[2]}"' in text}
    played |= {each for each in held if f"{each.partition('/')[2]}.jsonl" in text}
    assert sorted(set(held) - played - set(UNPLAYED)) == [], "play them, or say here why not"
    print(f"today/unit and today/tables: {len(held)}, of which {len(set(held) - played)} are not played")
