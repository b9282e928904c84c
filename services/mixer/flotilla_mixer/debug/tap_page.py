"""The page /debug/tap: a table that grows while calls pass."""

from __future__ import annotations

import html
import json

from flotilla_shared.runtime.pages import page

_FIELDS = ("namespace", "workload", "rule", "match", "kind")
_SCRIPT = """
const rows = document.querySelector("tbody"), told = document.querySelector("#told");
const names = ["request.method", "request.path", "response.code"];
let lost = 0, seen = 0;
const source = new EventSource("/debug/tap" + QUERY);
source.onopen = () => { told.textContent = "Listening."; };
source.onerror = () => { told.textContent = "Mixer has ended the stream, or refuses the filter."; };
source.onmessage = (event) => {
  const line = JSON.parse(event.data);
  lost += line.lost || 0;
  if (line.kind !== "alive") { seen += 1; show(line); }
  told.textContent = `Listening: ${seen} shown, ${lost} passed without being shown.`;
};
function show(line) {
  const bag = line.attributes, row = document.createElement("tr");
  const end = (side) => bag[side + ".workload.name"] || bag[side + ".uid"] || bag[side + ".ip"] || "";
  const verdict = line.verdict ? line.verdict.status || "error" : "";
  const said = line.verdict ? line.verdict.message || line.verdict.error || "" : "";
  const cells = [new Date(line.at * 1000).toISOString().slice(11, 23), line.kind, end("source"),
    end("destination") || bag["destination.service.host"] || "", names.map((name) => bag[name] || "").join(" "),
    (verdict + " " + said).trim(), line.rules.join(", ")];
  for (const text of cells) {
    const cell = document.createElement("td");
    cell.textContent = text;
    row.append(cell);
  }
  row.title = Object.entries(bag).map(([name, value]) =>
    name + " = " + (typeof value === "object" ? JSON.stringify(value) : value)).join("\\n");
  rows.prepend(row);
  while (rows.children.length > 200) rows.lastChild.remove();
}
"""


def tap_page(query: str) -> str:
    """The page for the filter that the query says. Everything that calls bring is put in as text."""
    inputs = "".join(f'<label>{name} <input name="{name}"></label> ' for name in _FIELDS)
    script = _SCRIPT.replace("QUERY", json.dumps(f"?{query}" if query else "").replace("<", "\\u003c"))
    columns = ("time", "kind", "source", "destination", "request", "verdict", "rules that hold")
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    return page(
        "mixer: tap",
        '<nav><a href="/">mixer</a></nav>',
        f"<form>{inputs}<button>listen</button></form><p id=told>Asking.</p>",
        f"<table><thead><tr>{head}</tr></thead><tbody></tbody></table>",
        "<p>A row's attributes are shown when the pointer rests on it; tokens, cookies and keys never are.</p>",
        f"<script>{script}</script>",
    )
