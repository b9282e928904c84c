"""What anybody may put into the configuration folder: read in bounded memory and time, or refused with its reason.

Each text is judged by a process of its own that may use so much memory and no more: it tells how much it did.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flotilla_galley.sources.folder import read_folder
from flotilla_galley.sources.yaml_documents import YamlError, read_documents
from flotilla_shared.notation.values import MAX_VALUES

MIB = 1 << 20
# A process that hangs is ended by this, on the slowest machine too.
CPU_SECONDS = 120
CHILD = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({cpu}, {cpu}))
from flotilla_galley.offline.judge import judge
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
text = {text}
before, judged = peak(), {{}}
for each in judge("f.yaml", text):
    words = (each.errors or each.warnings)[0].message if each.errors or each.warnings else "valid"
    found = judged.setdefault(words[:70], [0, 0])
    found[0] += 1
    found[1] = max(found[1], len(each.errors) + len(each.warnings))
print(json.dumps([(peak() - before) // 1024, judged]))
"""
HEAD = "apiVersion: networking.istio.io/v1\\nkind: VirtualService\\nmetadata: {name: a}\\nspec:\\n"
ROUTE = "  http: [{route: [{destination: {host: b}}]}]\\n"
# name: (text, MiB that it may take, what is said of every document)
TEXTS = {
    "aliases of aliases": (
        """"".join(f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}" if n else "x"] * 9) + "]\\n" for n in range(12))""",
        20,
        f"not YAML: more than {MAX_VALUES} values",
    ),
    "merges of merges": (
        """"".join(f"a{n}: &a{n} {{<<: [" + ",".join([f"*a{n - 1}" if n else "{k: 1}"] * 9) + "]}\\n" for n in range(12))""",
        20,
        f"not YAML: more than {MAX_VALUES} values",
    ),
    "a million brackets": ("""'[' * 1_000_000""", 20, "not YAML: nested deeper than 100"),
    "a hundred thousand dashes": ("""'- ' * 100_000""", 20, "not YAML: nested deeper than 100"),
    "a hundred thousand question marks": ("""'? ' * 100_000""", 20, "not YAML: a key must be text"),
    "10 MiB of one text": ("""'a: ' + 'x' * (10 << 20)""", 60, "the document has no kind"),
    "10 MiB of items": ("""'a:\\n' + '- 1\\n' * (10 << 18)""", 400, f"not YAML: more than {MAX_VALUES} values"),
    "a digit too many": ("""'a: ' + '1' * 200_000 + 'x'""", 20, "the document has no kind"),
    "a number that is none yet": ("""'a: ' + '1' * 200_000""", 20, "not YAML: a number of 200000 digits"),
    "a long name around many values": (
        """'? ' + 'k' * 500_000 + '\\n: [' + '1,' * 200_000 + ']'""",
        100,
        "the document has no kind",
    ),
    "fields that there are not": (
        f"""'{HEAD}  hosts: [a]\\n{ROUTE}' + "".join(f"  no{{n}}: 1\\n" for n in range(50_000))""",
        100,
        "there is no field",
    ),
    "a duration of a million parts": (
        f"""'{HEAD}  hosts: [a]\\n  http: [{{timeout: ' + '1s' * 1_000_000 + '}}]'""",
        40,
        "is no duration of at most",
    ),
    "very many hosts": (
        f"""'{HEAD}{ROUTE}  hosts:\\n' + "".join(f"  - h{{n}}.example.com\\n" for n in range(20_000))""",
        100,
        "valid",
    ),
    "100,000 documents": ("""'---\\n{}\\n' * 100_000""", 60, "the document has no kind"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_process_of_its_own_survives(name: str) -> None:
    text, most, said = TEXTS[name]
    code = CHILD.format(cpu=CPU_SECONDS, text=text)
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert child.returncode == 0, child.stderr[-500:]
    taken, judged = json.loads(child.stdout)
    assert all(said in words for words in judged), judged
    assert sum(count for count, _ in judged.values()) == (100_000 if name.startswith("100,000") else 1)
    assert max(faults for _, faults in judged.values()) <= 200
    assert taken <= most


def test_nested_as_deep_as_is_allowed() -> None:
    deep = "a: " + "[" * 99 + "]" * 99
    assert not isinstance(next(iter(read_documents(deep))), YamlError)
    assert isinstance(next(iter(read_documents(f"b: {{{deep}}}"))), YamlError)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"a: \xff\xfe\n", "no UTF-8 text (byte 3)"),
        (b"a: \xed\xa0\x80\n", "no UTF-8 text (byte 3)"),
        ("a: 1".encode("utf-16"), "no UTF-8 text (byte 0)"),
        (b"#" * (16 * MIB + 1), "larger than 16 MiB"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, raw: bytes, words: str) -> None:
    (tmp_path / "bad.yaml").write_bytes(raw)
    (tmp_path / "good.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    found = read_folder(tmp_path)
    assert found.texts == {"good.yaml": "a: 1\n"}
    assert [words in problem.text for problem in found.problems] == [True]
