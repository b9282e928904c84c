"""Messages against bytes that are built here by hand from the field numbers."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from flotilla_protos.flotilla.status.v1 import status_pb2
from flotilla_protos.istio.mcp.v1alpha1 import mcp_pb2, resource_pb2
from flotilla_protos.istio.mixer.v1 import attributes_pb2
from flotilla_protos.istio.networking.v1alpha3 import (
    service_entry_pb2,
    sidecar_pb2,
    virtual_service_pb2,
    workload_entry_pb2,
)
from flotilla_protos.istio.security.v1alpha1 import ca_pb2
from flotilla_protos.istio.security.v1beta1 import peer_authentication_pb2

VARINT, LENGTH = 0, 2


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3 | VARINT) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | LENGTH) + varint(len(raw)) + raw


def entry(field: int, key: bytes, value: bytes) -> bytes:
    return text(field, key + value)


CASES = [
    pytest.param(
        ca_pb2.IstioCertificateRequest(csr="PEM", validity_duration=86400),
        text(1, "PEM") + number(3, 86400),
        id="csr-request",
    ),
    pytest.param(
        ca_pb2.IstioCertificateRequest(csr="PEM", subject_id="old"),
        text(1, "PEM") + text(2, "old"),
        id="csr-request-of-1.4",
    ),
    pytest.param(
        ca_pb2.IstioCertificateResponse(cert_chain=["leaf", "root"]),
        text(1, "leaf") + text(1, "root"),
        id="csr-response",
    ),
    pytest.param(
        mcp_pb2.RequestResources(
            sink_node=mcp_pb2.SinkNode(id="pilot"), collection="c", response_nonce="7", incremental=True
        ),
        text(1, text(1, "pilot")) + text(2, "c") + text(4, "7") + number(6, 1),
        id="mcp-request",
    ),
    pytest.param(
        mcp_pb2.Resources(system_version_info="v1", collection="c", removed_resources=["ns/a", "ns/b"], nonce="1"),
        text(1, "v1") + text(2, "c") + text(4, "ns/a") + text(4, "ns/b") + text(5, "1"),
        id="mcp-resources",
    ),
    pytest.param(
        workload_entry_pb2.WorkloadEntry(
            address="127.0.2.1", ports={"http": 9080}, labels={"app": "details"}, service_account="bookinfo"
        ),
        text(1, "127.0.2.1")
        + entry(2, text(1, "http"), number(2, 9080))
        + entry(3, text(1, "app"), text(2, "details"))
        + text(7, "bookinfo"),
        id="workload-entry",
    ),
    pytest.param(
        service_entry_pb2.ServiceEntry(hosts=["a.b"], location=1, resolution=1),
        text(1, "a.b") + number(4, 1) + number(5, 1),
        id="service-entry",
    ),
    pytest.param(
        virtual_service_pb2.VirtualService(
            hosts=["r"],
            http=[
                virtual_service_pb2.HTTPRoute(
                    name="n",
                    route=[
                        virtual_service_pb2.HTTPRouteDestination(
                            destination=virtual_service_pb2.Destination(host="r", subset="v1"), weight=90
                        )
                    ],
                )
            ],
        ),
        text(1, "r") + text(3, text(2, text(1, text(1, "r") + text(2, "v1")) + number(2, 90)) + text(17, "n")),
        id="virtual-service",
    ),
    pytest.param(
        sidecar_pb2.IstioIngressListener(
            port=sidecar_pb2.SidecarPort(number=9080, protocol="HTTP", name="http"),
            bind="127.0.2.1",
            default_endpoint="0.0.0.0:9080",
        ),
        text(1, number(1, 9080) + text(2, "HTTP") + text(3, "http")) + text(2, "127.0.2.1") + text(4, "0.0.0.0:9080"),
        id="sidecar-ingress",
    ),
    pytest.param(
        peer_authentication_pb2.PeerAuthentication(mtls=peer_authentication_pb2.PeerAuthentication.MutualTLS(mode=3)),
        text(2, number(1, 3)),
        id="peer-authentication",
    ),
    pytest.param(
        attributes_pb2.CompressedAttributes(words=["w"], strings={1: -1}),
        text(1, "w") + entry(2, number(1, 2), number(2, 1)),
        id="compressed-attributes",
    ),
    pytest.param(
        status_pb2.ObjectStatus(collection="c", name="n", accepted=True, proxies_concerned=300),
        text(1, "c") + text(3, "n") + number(5, 1) + number(7, 300),
        id="object-status",
    ),
]


@pytest.mark.parametrize(("message", "wire"), CASES)
def test_the_bytes_are_those_of_the_field_numbers(message: Message, wire: bytes) -> None:
    assert message.SerializeToString(deterministic=True) == wire
    assert type(message).FromString(wire) == message


def test_a_field_that_is_not_known_survives() -> None:
    later = text(1, "csr") + text(500, "from a later version")
    assert ca_pb2.IstioCertificateRequest.FromString(later).SerializeToString() == later


def test_an_mcp_resource_carries_its_body_by_type_url() -> None:
    body = workload_entry_pb2.WorkloadEntry(address="127.0.2.1")
    resource = resource_pb2.Resource()
    resource.metadata.name = "default/details-v1"
    resource.body.Pack(body)
    url = "type.googleapis.com/istio.networking.v1alpha3.WorkloadEntry"
    packed = text(1, url) + text(2, body.SerializeToString())
    assert resource.SerializeToString() == text(1, text(1, "default/details-v1")) + text(2, packed)


@pytest.mark.parametrize(
    ("module", "service", "method"),
    [
        ("flotilla_protos.istio.mcp.v1alpha1.mcp_pb2", "ResourceSource", "EstablishResourceStream"),
        ("flotilla_protos.istio.security.v1alpha1.ca_pb2", "IstioCertificateService", "CreateCertificate"),
        ("flotilla_protos.istio.security.proto.ca_service_pb2", "IstioCAService", "HandleCSR"),
        ("flotilla_protos.istio.mixer.v1.mixer_pb2", "Mixer", "Check"),
        ("flotilla_protos.flotilla.status.v1.status_pb2", "ConfigurationStatus", "Report"),
    ],
)
def test_services_have_their_original_names(module: str, service: str, method: str) -> None:
    import importlib

    descriptor = importlib.import_module(module).DESCRIPTOR.services_by_name[service]
    assert method in descriptor.methods_by_name
