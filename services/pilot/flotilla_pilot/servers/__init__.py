"""What Pilot serves: ADS to proxies (15012), pages to people and tools (8080)."""
