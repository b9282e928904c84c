"""Durations and defaults of the settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from flotilla_citadel.config import CitadelSettings


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("24h", 86400), ("90d", 7776000), ("1h30m", 5400), ("90s", 90), ("60", 60), (60, 60), ("1d12h5m1s", 129901)],
)
def test_durations(written: object, seconds: int) -> None:
    assert CitadelSettings(default_ttl=written).default_ttl == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "h", "soon", "-1h", "1w", "1.5h", True, None, [], "0", "91d"])
def test_what_is_no_life(written: object) -> None:
    with pytest.raises(ValidationError):
        CitadelSettings(default_ttl=written)


def test_defaults() -> None:
    settings = CitadelSettings()
    assert (settings.port, settings.oidc_audiences, settings.max_ttl) == (8060, ("istio-ca",), timedelta(days=90))
    assert settings.root_file == Path("citadel/root-cert.pem")
    assert CitadelSettings(publish_root_file=Path("run/root-cert.pem")).root_file == Path("run/root-cert.pem")
    assert set(settings.granted_services) == {
        f"istio-{service}-service-account" for service in ("citadel", "galley", "pilot", "mixer")
    }


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in CitadelSettings.model_fields.values())
