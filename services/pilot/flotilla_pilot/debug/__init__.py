"""What Pilot knows, for people and tools: under Istio's names and shapes (pilot.md 1.3, 1.5)."""
