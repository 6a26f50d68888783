"""A command line that cannot be read is one line on standard error, and exit code 2."""

from __future__ import annotations

import sys

import pytest

from mesh_defs.cli.main import main


def run(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Run the command line and return its exit code and what it said; it has no result."""
    monkeypatch.setattr(sys, "argv", ["mesh", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert out == ""
    return ended.value.code, err


@pytest.mark.parametrize(
    ("words", "command", "why"),
    [
        ("frob", "mesh", "No such command 'frob'"),
        ("ledger frob", "mesh ledger", "No such command 'frob'"),
        ("ledger verify --ful", "mesh ledger verify", "No such option: --ful (Possible options: --full)"),
        ("stream accept-epoch a.b", "mesh stream accept-epoch", "Missing option '--reason'"),
        ("stream accept-epoch", "mesh stream accept-epoch", "Missing argument 'DOMAIN.STREAM'"),
        ("--project", "mesh", "Option '--project' requires an argument"),
    ],
)
def test_it_names_the_command_and_where_its_help_is(
    words: str, command: str, why: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the form of every other error."""
    code, err = run(words, monkeypatch, capsys)
    assert (code, err) == (2, f"mesh: cannot run `{command}`: {why}; see `{command} --help`\n")


def test_a_group_alone_shows_its_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As standard error: nothing was run."""
    code, err = run("ledger", monkeypatch, capsys)
    assert code == 2
    assert err.startswith("Usage: mesh ledger [OPTIONS] COMMAND")
    assert "  verify " in err
