"""A domain's folder, read as one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.domain import is_domain, load_domain, read_domain
from mesh_defs.contract.lint import format_findings, lint_file, lint_paths
from mesh_defs.model.errors import ContractError
from mesh_defs.model.findings import Severity
from tests.contract.documents import product, stream, write_domain, write_product, write_stream


def _messages(folder: Path) -> list[str]:
    return [finding.message for finding in read_domain(folder).findings]


def test_a_domain_holds_its_streams_and_products(tmp_path: Path) -> None:
    """Found by their names."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream())
    write_product(tmp_path, product())
    domain = load_domain(folder)
    assert [s.full_name for s in domain.streams] == ["d.s"]
    assert [p.full_name for p in domain.products] == ["d.p"]
    assert domain.stream("s") is domain.streams[0]
    assert domain.product("s") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ownr": "x"}, "unknown key; did you mean 'owner'?"),
        ({"owner": None}, "'owner' must be said"),
        ({"name": None}, "'name' must be said"),
        ({"owner": "somebody"}, "'somebody' is no owner"),
        ({"owner": "'team: '"}, "is no owner"),
        ({"owner": "[a]"}, "must be text"),
        ({"name": "other"}, "the name 'other' is not that of the folder, 'd'"),
        ({"name": ""}, "must be text"),
    ],
)
def test_what_a_domain_must_say(tmp_path: Path, changes: dict[str, str | None], message: str) -> None:
    """Name and owner, and nothing that is not known."""
    folder = write_domain(tmp_path)
    said = {"name": "d", "description": "D", "owner": "team:d", "contact": "c"} | changes
    (folder / "domain.yaml").write_text("".join(f"{k}: {v}\n" for k, v in said.items() if v is not None))
    found = _messages(folder)
    assert any(message in text for text in found), found


@pytest.mark.parametrize(("name", "message"), [("Ops", "is no domain name"), ("main", "query engine's own")])
def test_names_of_domains(tmp_path: Path, name: str, message: str) -> None:
    """A pattern, and none of the names that cannot be attached."""
    assert any(message in text for text in _messages(write_domain(tmp_path, name)))


def test_a_domain_without_words_for_people_is_doubtful(tmp_path: Path) -> None:
    """Description and contact are warned about, not demanded."""
    loaded = read_domain(write_domain(tmp_path, description=None, contact=None))
    assert loaded.domain is not None
    assert [f.severity for f in loaded.findings] == [Severity.WARNING] * 2


def test_a_folder_without_its_file(tmp_path: Path) -> None:
    """Streams without a `domain.yaml` are a broken domain, not an invisible one."""
    write_stream(tmp_path, stream())
    assert is_domain(tmp_path / "d")
    assert _messages(tmp_path / "d") == ["a domain needs its domain.yaml: name, description, owner, contact"]


def test_all_files_of_a_domain_are_told_at_once(tmp_path: Path) -> None:
    """One error holds the findings of `domain.yaml`, streams and products."""
    folder = write_domain(tmp_path, owner="nobody")
    stream_path = write_stream(tmp_path, stream(eventKind="x"))
    product_path = write_product(tmp_path, product(window="x"))
    with pytest.raises(ContractError) as caught:
        load_domain(folder)
    paths = {finding.path for finding in caught.value.findings}
    assert paths == {folder / "domain.yaml", stream_path, product_path}


def test_tables_and_topics_are_declared_once(tmp_path: Path) -> None:
    """Across streams and products of the domain."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream(), "a")
    write_stream(tmp_path, stream(), "b")
    document = product()
    document["schema"][0]["name"] = "s"
    write_product(tmp_path, document)
    assert _messages(folder) == [
        "the table d.s is declared in streams/a.odcs.yaml too; rename one",
        "the topic d.s.v1 is declared in streams/a.odcs.yaml too; remove one",
        "the table d.s is declared in streams/a.odcs.yaml too; rename one",
    ]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("x.odcs.yaml", "a contract is read only from streams/ or products/"),
        ("domain.yml", "rename it domain.yaml"),
        ("streams/x.yaml", "call it *.odcs.yaml, directly in streams/"),
        ("streams/x.odcs.yml", "call it *.odcs.yaml, directly in streams/"),
        ("streams/deep/x.odcs.yaml", "call it *.odcs.yaml, directly in streams/"),
        ("products/x.sql", "declare it in x.odcs.yaml"),
    ],
)
def test_a_file_that_nothing_reads_is_told(tmp_path: Path, file: str, message: str) -> None:
    """A misnamed contract would otherwise be a stream that never runs."""
    folder = write_domain(tmp_path)
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert any(message in text for text in _messages(folder))


def _notification(tmp_path: Path, reference: str) -> None:
    document = stream(eventKind="notification", reference=reference)
    document["schema"][0] |= {"name": "n", "physicalName": "n"}
    write_stream(tmp_path, document, "n")


@pytest.mark.parametrize(
    ("reference", "messages"),
    [
        ("d.s.id", []),
        ("elsewhere.s.id", []),
        ("d.t.id", ["reference leads nowhere: there is no table d.t"]),
        ("d.s.nid", ["reference leads nowhere: d.s has no column 'nid'"]),
    ],
)
def test_references_into_the_own_domain_are_resolved(
    tmp_path: Path, reference: str, messages: list[str]
) -> None:
    """A notification that points nowhere is refused."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream())
    _notification(tmp_path, reference)
    assert _messages(folder) == messages


def test_references_into_other_domains_are_linted(tmp_path: Path) -> None:
    """Lint sees all the domains that it is given; loading one domain never depends on another."""
    folder = write_domain(tmp_path)
    write_domain(tmp_path, "e")
    write_stream(tmp_path, stream() | {"domain": "e"}, domain="e")
    _notification(tmp_path, "e.s.nid")
    assert load_domain(folder).stream("n") is not None
    assert [f.message for f in lint_paths([tmp_path])] == ["reference leads nowhere: e.s has no column 'nid'"]


def test_lint_of_a_project_looks_at_its_domains_only(tmp_path: Path) -> None:
    """Files below `data` or `tests` are none of its business."""
    (tmp_path / "mesh.toml").write_text("")
    write_domain(tmp_path / "domains")
    broken = write_stream(tmp_path / "domains", stream(eventKind="x"))
    write_stream(tmp_path / "data", stream(eventKind="x"))
    assert {f.path for f in lint_paths([tmp_path])} == {broken}


def test_lint_tells_each_finding_once(tmp_path: Path) -> None:
    """A file that is named, and lies in a folder that is named, is told once."""
    folder = write_domain(tmp_path)
    path = write_stream(tmp_path, stream(eventKind="x"))
    findings = lint_paths([folder, path, folder / "domain.yaml"])
    assert findings == lint_file(path)
    line = findings[0].line
    assert format_findings(findings) == (
        f"{path}:{line}:13: error: customProperties[0].value: "
        "eventKind cannot be 'x'; known: delta, hybrid, measurement, notification, state"
    )


def test_lint_of_a_path_without_a_file(tmp_path: Path) -> None:
    """A path that is mistyped is not a clean bill."""
    assert [f.rule for f in lint_paths([tmp_path / "none.odcs.yaml"])] == ["unreadable"]
