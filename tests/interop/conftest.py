"""What the tests with foreign programs share."""

from __future__ import annotations

import pytest

from flotilla_shared.testing.certificates import CertificateAuthorityForTests


@pytest.fixture(scope="session")
def authority() -> CertificateAuthorityForTests:
    return CertificateAuthorityForTests()
