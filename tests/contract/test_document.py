"""YAML: safe, bounded, every node with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.document import MAX_BYTES, Node, read_document
from mesh_defs.contract.report import Report


def _read(tmp_path: Path, text: str | bytes) -> tuple[Node | None, list[str]]:
    path = tmp_path / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    report = Report(path)
    node = read_document(path, report)
    return node, [f"{f.line}:{f.column} {f.rule}" for f in report.findings]


def test_every_node_knows_its_place(tmp_path: Path) -> None:
    """Lines and columns count from one, and places read like the document."""
    root, findings = _read(tmp_path, "a:\n  - b: 1\n    c: two\n")
    assert root is not None
    assert not findings
    node = root.entries()["a"].elements()[0].entries()["c"]
    assert (node.line, node.column, node.where, node.key) == (3, 8, "a[0].c", (3, 5))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0x1F", "-0x1F"),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1.50", 1.5),
        (".5e3", 500.0),
        ("true", True),
        ("yes", "yes"),
        ("on", "on"),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ("2013-01-01", "2013-01-01"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("<<", "<<"),
        (".inf", float("inf")),
        ("|-\n  true", "true"),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    """Nothing becomes a date, and only `true` and `false` become booleans."""
    root, findings = _read(tmp_path, f"a: {text}\n")
    assert root is not None
    assert root.plain() == {"a": value}
    assert type(root.plain()["a"]) is type(value)
    assert not findings


def test_a_float_keeps_the_digits_that_were_written(tmp_path: Path) -> None:
    """The text of a scalar stands beside its value."""
    root, _ = _read(tmp_path, "a: 12345678901234567890.12\n")
    assert root is not None
    assert root.entries()["a"].text == "12345678901234567890.12"


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1 duplicate-key"),
        ("a: &x 1\n", "1:4 anchor"),
        ("a: &x 1\nb: *x\n", "2:4 alias"),
        ("a: !!python/object:os.system 1\n", "1:4 tag"),
        ("a: !!str 1\n", "1:4 tag"),
        ("1: 2\n", "1:1 key"),
        ("{a: 1}: 2\n", "1:1 key"),
        ("a: 1\n---\nb: 2\n", "2:1 documents"),
        ("a: [1\n", "2:1 syntax"),
        ("a: 'x\n", "2:1 syntax"),
        ("a: @x\n", "1:4 syntax"),
        ("a: \x01\n", "1:1 syntax"),
        ('a: "\\UFFFFFFFF"\n', "1:1 syntax"),
        ("%YAML 9.9\n---\na: 1\n", "1:1 syntax"),
        ("", "1:1 empty"),
        (f"a: {'9' * 401}\n", "1:4 number"),
        (b"a: 1\nb: \xff\n", "2:1 encoding"),
        ("[" * 100 + "]" * 100, "1:66 depth"),
        (b"#" * (MAX_BYTES + 1), "1:1 size"),
    ],
)
def test_what_is_not_plain_yaml_is_a_finding(tmp_path: Path, text: str | bytes, finding: str) -> None:
    """Aliases, anchors, tags, repeats, depth and size never get further than a finding with its place."""
    _, findings = _read(tmp_path, text)
    assert finding in findings


def test_billion_laughs_cost_nothing(tmp_path: Path) -> None:
    """Aliases are not followed at all."""
    lines = ["a0: &a0 lol"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
    _, findings = _read(tmp_path, "\n".join(lines))
    assert any(finding.endswith("alias") for finding in findings)


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    """A file that cannot be read is told like everything else."""
    report = Report(tmp_path / "none.yaml")
    assert read_document(report.path, report) is None
    assert [f.rule for f in report.findings] == ["unreadable"]
