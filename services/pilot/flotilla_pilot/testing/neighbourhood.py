"""A whole Pilot's surroundings: Citadel, Galley, proxies, each on a port of its own."""

from pathlib import Path
from typing import Any

import httpx

from flotilla_pilot.testing.control_plane import ScriptedCitadel, ScriptedGalley
from flotilla_pilot.testing.discovery import AdsClient
from flotilla_pilot.testing.edge import workload
from flotilla_shared.testing.certificates import CertificateAuthorityForTests
from flotilla_shared.testing.ports import free_port


class Neighbourhood:
    """Pilot's settings and its neighbours; nobody is started."""

    def __init__(self, folder: Path) -> None:
        self.authority = CertificateAuthorityForTests()
        (folder / "root.pem").write_text(self.authority.root_pem)
        (folder / "token").write_text("a token")
        citadel, galley = free_port(), free_port()
        self.citadel = ScriptedCitadel(self.authority, citadel)
        self.galley = ScriptedGalley(self.authority, galley)
        self.settings: dict[str, Any] = {
            "monitoring_port": free_port(),
            "introspection_port": free_port(),
            "debug_port": free_port(),
            "xds_port": free_port(),
            "injection_port": free_port(),
            "citadel_address": f"127.0.0.1:{citadel}",
            "galley_address": f"127.0.0.1:{galley}",
            "root_cert_file": str(folder / "root.pem"),
            "token_file": str(folder / "token"),
            "debounce_seconds": 0.01,
        }

    def proxy(self) -> AdsClient:
        certificate = self.authority.certificate("spiffe://cluster.local/ns/default/sa/web")
        return AdsClient(self.settings["xds_port"], certificate, "delta", workload())

    async def page(self, port: str, path: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.get(f"http://127.0.0.1:{self.settings[port]}{path}")

    async def conditions(self) -> dict[str, str]:
        found: dict[str, str] = (await self.page("monitoring_port", "/readyz")).json()["conditions"]
        return found
