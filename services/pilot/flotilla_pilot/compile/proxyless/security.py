"""Certificates as gRPC's libraries find them: by the name of a provider in their own bootstrap."""

from collections.abc import Iterable
from typing import Any

from envoy.extensions.transport_sockets.tls.v3.common_pb2 import (
    CertificateProviderPluginInstance,
    CertificateValidationContext,
)
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import CommonTlsContext
from envoy.type.matcher.v3.string_pb2 import StringMatcher

PROVIDER = "default"
"""Of the bootstrap's `certificate_providers`."""
IDENTITY = "default"
ROOTS = "ROOTCA"


def certificates(identities: Iterable[str]) -> Any:
    """The own certificate and the mesh's roots; the other side must be one of `identities`, or anybody of the mesh.

    Older libraries read the older fields, which say the same.
    """
    own = CertificateProviderPluginInstance(instance_name=PROVIDER, certificate_name=IDENTITY)
    older = CommonTlsContext.CertificateProviderInstance(instance_name=PROVIDER, certificate_name=IDENTITY)
    context = CommonTlsContext(
        tls_certificate_provider_instance=own, tls_certificate_certificate_provider_instance=older
    )
    context.combined_validation_context.default_validation_context.CopyFrom(
        CertificateValidationContext(
            ca_certificate_provider_instance=CertificateProviderPluginInstance(
                instance_name=PROVIDER, certificate_name=ROOTS
            ),
            match_subject_alt_names=[StringMatcher(exact=each) for each in identities],
        )
    )
    context.combined_validation_context.validation_context_certificate_provider_instance.CopyFrom(
        CommonTlsContext.CertificateProviderInstance(instance_name=PROVIDER, certificate_name=ROOTS)
    )
    return context
