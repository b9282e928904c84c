"""Which cluster `flotilla check` looks at, and what it says when it knows none."""

from __future__ import annotations

from pathlib import Path

import pytest

from flotilla_cli.__main__ import main
from flotilla_cli.commands.check import connection
from flotilla_cli.errors import CheckError


def write(file: Path, server: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "current-context: here\n"
        "contexts: [{name: here, context: {cluster: c}}, {name: there, context: {cluster: d}}]\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}, {{name: d, cluster: {{server: 'http://there'}}}}]\n"
    )
    return file


def test_the_named_file_then_the_variable_then_the_home(tmp_path: Path) -> None:
    named, first, home = (
        write(tmp_path / name / ".kube" / "config", f"http://{name}") for name in ("named", "first", "home")
    )
    absent = tmp_path / "absent"
    environment = {"KUBECONFIG": f"{absent}:{first}", "HOME": str(home.parents[1])}
    assert connection(named, "", environment).server == "http://named"
    assert connection(None, "", environment).server == "http://first"
    assert connection(None, "", {"HOME": environment["HOME"]}).server == "http://home"
    assert connection(named, "there", {}).server == "http://there"


@pytest.mark.parametrize(
    ("environment", "said"),
    [({"HOME": "/nowhere"}, "/nowhere/.kube/config"), ({"KUBECONFIG": "/a:/b"}, "/a, /b")],
)
def test_without_one_it_says_where_it_looked(environment: dict[str, str], said: str) -> None:
    with pytest.raises(CheckError) as refused:
        connection(None, "", environment)
    assert said in refused.value.text
    assert "--kubeconfig" in refused.value.mend


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="cannot be read"):
        connection(tmp_path / "absent", "", {})
    with pytest.raises(CheckError, match="no entry 'elsewhere'"):
        connection(write(tmp_path / "config", "http://c"), "elsewhere", {})


def test_nobody_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "config", "http://127.0.0.1:1")
    assert main(["check", "--kubeconfig", str(file)]) == 1
    said = capsys.readouterr().out
    assert "✗ The API server cannot be reached" in said
    assert "Choose another --kubeconfig or --context" in said
    assert "Kinds" not in said
