"""A folder of schemas in git: what it serves, what it refuses, and what `check` finds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.broker.registry import Registry, SchemaReference, registry_for, texts_of
from mesh_defs.model.config import load_config
from mesh_defs.model.errors import ContractError, RegistryError, SchemaChangedError, UnknownSchemaError
from tests.meshes import ROOT

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "avro"


def opened(folder: Path, options: str = "") -> Registry:
    """Open `[registry.main]` of a project as a new process would."""
    (folder / "schemas").mkdir(exist_ok=True)
    (folder / "mesh.toml").write_text(f'[registry.main]\ndirectory = "schemas"\n{options}')
    return registry_for(load_config(folder, {}))


def record(*names: str, type_: Any = "int", default: bool = False) -> str:
    """Return a record's text; with `default` the last field has one."""
    fields: list[dict[str, Any]] = [{"name": name, "type": type_} for name in names]
    if default:
        fields[-1]["default"] = 0
    return json.dumps({"type": "record", "name": "R", "fields": fields})


def test_schemas_are_found_by_all_that_names_them(tmp_path: Path) -> None:
    """Id, GUID, subject and version; another process reads the same."""
    registry = opened(tmp_path)
    first = registry.register("a-value", record("x"))
    second = registry.register("a-value", record("x", "y", default=True))
    other = registry.register("b/c d-value", record("z"))
    assert [(f.version, f.schema.id) for f in (first, second, other)] == [(1, 1), (2, 2), (1, 3)]
    again = opened(tmp_path)
    for found in (first, second, other):
        schema = found.schema
        assert schema.id is not None
        assert schema.guid is not None
        assert again.by_id(schema.id) == again.by_guid(schema.guid) == schema
        assert again.version(found.subject, found.version) == found
    assert again.version("a-value") == second
    assert again.versions("a-value") == (1, 2)
    assert again.versions("nobody") == ()
    assert again.subjects() == ("a-value", "b/c d-value")
    assert again.problems() == ()


def test_the_same_schema_keeps_its_id_and_its_guid(tmp_path: Path) -> None:
    """Under the same subject, under another one, and in another folder; its text may be written differently."""
    registry = opened(tmp_path)
    first = registry.register("a", record("x"))
    spelt = f"// the same\n{json.dumps(json.loads(record('x')), indent=4)}"
    assert registry.register("a", spelt) == first
    second = registry.register("b", spelt)
    assert (second.version, second.schema.id, second.schema.guid) == (1, 1, first.schema.guid)
    assert second.schema.text == spelt
    (tmp_path / "other").mkdir()
    elsewhere = opened(tmp_path / "other")
    elsewhere.register("z", record("z"))
    assert elsewhere.register("b", spelt).schema.guid == first.schema.guid


def test_an_id_is_never_given_again(tmp_path: Path) -> None:
    """Also where somebody has removed the entry that had it."""
    registry = opened(tmp_path)
    registry.register("a", record("x"))
    registry.register("b", record("y"))
    index = tmp_path / "schemas" / "registry.toml"
    index.write_text(index.read_text().rpartition("\n[[schema]]")[0])
    (tmp_path / "schemas" / "b" / "1.avsc").unlink()
    assert registry.subjects() == ("a",)
    assert registry.register("c", record("z")).schema.id == 3


def test_a_subject_takes_compatible_schemas_only(tmp_path: Path) -> None:
    """BACKWARD unless `compatibility` says otherwise; all reasons are told, and nothing is written."""
    registry = opened(tmp_path)
    registry.register("a", record("x"))
    before = (tmp_path / "schemas" / "registry.toml").read_bytes()
    with pytest.raises(RegistryError) as caught:
        registry.register("a", record("x", "y", "z", type_="string"))
    assert caught.value.why == (
        "it is not BACKWARD compatible: it cannot read version 1 at $.x: the writer's int is no string; "
        "it cannot read version 1 at $.y: the writer does not know this field, and it has no default; "
        "it cannot read version 1 at $.z: the writer does not know this field, and it has no default"
    )
    assert (tmp_path / "schemas" / "registry.toml").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "schemas" / "a").iterdir()) == ["1.avsc"]
    assert len(registry.incompatibilities("a", record("y"))) == 1
    assert registry.incompatibilities("new", record("y")) == ()


@pytest.mark.parametrize(
    ("level", "removed", "added"),
    [
        ("NONE", True, True),
        ("BACKWARD", True, False),
        ("FORWARD", False, True),
        ("FULL", False, False),
        ("BACKWARD_TRANSITIVE", True, False),
        ("FORWARD_TRANSITIVE", False, True),
        ("FULL_TRANSITIVE", False, False),
    ],
)
def test_levels_of_compatibility(tmp_path: Path, level: str, *, removed: bool, added: bool) -> None:
    """A field without a default may be removed for new readers, and added for old ones."""
    registry = opened(tmp_path, f'compatibility = "{level}"')
    registry.register("a", record("x", "y"))
    assert (registry.incompatibilities("a", record("x")) == ()) is removed
    assert (registry.incompatibilities("a", record("x", "y", "z")) == ()) is added


def test_transitive_levels_look_at_all_versions(tmp_path: Path) -> None:
    """A field that was removed and comes back with another type meets the version that had it."""
    for level, count in (("BACKWARD", 0), ("BACKWARD_TRANSITIVE", 1)):
        folder = tmp_path / level
        folder.mkdir()
        registry = opened(folder, f'compatibility = "{level}"')
        registry.register("a", record("x", "y"))
        registry.register("a", record("x"))
        fields = [{"name": "x", "type": "int"}, {"name": "y", "type": "string", "default": ""}]
        back = json.dumps({"type": "record", "name": "R", "fields": fields})
        assert len(registry.incompatibilities("a", back)) == count


def test_schemas_may_use_others(tmp_path: Path) -> None:
    """A reference is a subject and a version; what it refers to must be there."""
    registry = opened(tmp_path)
    money = '{"type": "record", "name": "m.Money", "fields": [{"name": "cents", "type": "long"}]}'
    order = '{"type": "record", "name": "Order", "fields": [{"name": "total", "type": "m.Money"}]}'
    registry.register("money", money)
    reference = SchemaReference(name="m.Money", subject="money", version=1)
    added = registry.register("order", order, (reference,))
    assert added.schema.id is not None
    found = opened(tmp_path).by_id(added.schema.id)
    assert texts_of(found.references) == (money,)
    assert registry.problems() == ()
    with pytest.raises(ContractError, match=r"the type 'm.Money' is not known here"):
        registry.register("order", order)
    with pytest.raises(UnknownSchemaError, match="subject money, version 2"):
        registry.register("order", order, (SchemaReference(name="m.Money", subject="money", version=2),))


def test_unknown_ids_and_subjects(tmp_path: Path) -> None:
    """Unknown is unknown, also in a folder without a list."""
    registry = opened(tmp_path)
    for ask in (lambda: registry.by_id(1), lambda: registry.version("a"), lambda: registry.version("a", 1)):
        with pytest.raises(UnknownSchemaError, match=r"registry\.toml does not list it"):
            ask()


@pytest.mark.fault(30)
def test_a_changed_file_is_an_alarm(tmp_path: Path) -> None:
    """What an id means is for ever; spaces and comments mean nothing."""
    registry = opened(tmp_path)
    registry.register("a", record("x"))
    file = tmp_path / "schemas" / "a" / "1.avsc"
    file.write_text("/* a comment */ " + json.dumps(json.loads(record("x")), indent=3))
    assert opened(tmp_path).by_id(1).id == 1
    file.write_text(record("x", type_="long"))
    with pytest.raises(
        SchemaChangedError, match=r"a/1.avsc is another one than was added: its fingerprint was"
    ):
        opened(tmp_path).by_id(1)


def test_a_list_that_was_rewritten_is_an_alarm(tmp_path: Path) -> None:
    """File and list changed together: what was learnt before still knows better."""
    opened(tmp_path).register("a", record("x"))
    opened(tmp_path).by_id(1)
    for file in (tmp_path / "schemas").rglob("*.*"):
        if file.is_file():
            file.unlink()
    opened(tmp_path).register("a", record("y"))
    registry = opened(tmp_path)
    with pytest.raises(SchemaChangedError, match="it is another one than before"):
        registry.by_id(1)
    assert len(registry.problems()) == 1


def test_check_finds_what_merges_and_hands_leave_behind(tmp_path: Path) -> None:
    """An id given twice, a version that stands twice, files that are missing, changed or not listed, bad versions."""
    registry = opened(tmp_path)
    registry.register("a", record("x"))
    registry.register("b", record("y"))
    registry.register("c", record("z"))
    none = opened(tmp_path, 'compatibility = "NONE"')
    none.register("d", record("z"))
    none.register("d", record("y"))
    registry = opened(tmp_path)
    folder = tmp_path / "schemas"
    index = folder / "registry.toml"
    text = index.read_text()
    index.write_text(text.replace("id = 2\n", "id = 1\n", 1).replace("last_id = 3", "last_id = 2"))
    (folder / "c" / "1.avsc").unlink()
    (folder / "a" / "7.avsc").write_text(record("x"))
    problems = registry.problems()
    for part in (
        "a/7.avsc is not listed",
        "the id 1 is given to 2 schemas",
        "last_id is below the highest id",
        "c: ",
        "d, version 2: it cannot read version 1 at $.y",
    ):
        assert any(part in problem for problem in problems), (part, problems)
    index.write_text(text.replace("version = 2", "version = 1"))
    assert any("d, version 1: stands 2 times" in problem for problem in registry.problems())


@pytest.mark.parametrize(
    "content", ["[", "[[schema]]\nid = 1", 'schema = "x"', '[[schema]]\nguid = "x"', "last_id = []"]
)
def test_a_list_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    """It is told as such, whatever is asked."""
    registry = opened(tmp_path)
    (tmp_path / "schemas" / "registry.toml").write_text(content)
    with pytest.raises(RegistryError, match=r"registry.toml is no list of schemas"):
        registry.subjects()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """A word mistyped in mesh.toml is no empty registry; the first schema makes the folder."""
    (tmp_path / "mesh.toml").write_text('[registry.main]\ndirectory = "schemes"\n')
    registry = registry_for(load_config(tmp_path, {}))
    with pytest.raises(RegistryError, match="schemes is no folder"):
        registry.by_id(1)
    assert registry.register("a", record("x")).schema.id == 1


@pytest.mark.parametrize("subject", ["", " ", ".", "..", "a\nb", "x" * 201])
def test_names_that_no_subject_has(tmp_path: Path, subject: str) -> None:
    """They could be no folder."""
    with pytest.raises(RegistryError, match="that is no name of a subject"):
        opened(tmp_path).register(subject, record("x"))


def test_two_commands_at_once_give_two_ids(tmp_path: Path) -> None:
    """Processes that add schemas wait for each other."""
    opened(tmp_path)
    code = (
        "import sys; from pathlib import Path; from mesh_defs.broker.registry import registry_for; "
        "from mesh_defs.model.config import load_config; r = registry_for(load_config(Path(sys.argv[1]), {}));"
        "[r.register(f'{sys.argv[2]}{i}', "
        '\'{"type":"fixed","name":"%s","size":%d}\' % (sys.argv[2], i)) for i in range(20)]'
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name], cwd=ROOT) for name in ("a", "b")
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    registry = opened(tmp_path)
    ids = [registry.version(subject).schema.id for subject in registry.subjects()]
    assert sorted(i for i in ids if i) == list(range(1, 41))
    assert registry.problems() == ()


def test_the_shared_schemas_are_registered(tmp_path: Path) -> None:
    """As they are, byte for byte, comments included."""
    registry = opened(tmp_path)
    files = sorted(FOLDER.glob("*.avsc"))
    assert len(files) >= 13, f"{FOLDER} lacks schemas"
    for number, file in enumerate(files, start=1):
        found = registry.register(f"{file.stem}-value", file.read_text(encoding="utf-8"))
        assert found.schema.id == number
        assert (tmp_path / "schemas" / f"{file.stem}-value" / "1.avsc").read_bytes() == file.read_bytes()
    assert registry.problems() == ()


def test_a_default_of_another_type_is_refused(tmp_path: Path) -> None:
    """As Avro's own parser does; nothing is written."""
    registry = opened(tmp_path)
    text = json.dumps(
        {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int", "default": "none"}]}
    )
    with pytest.raises(RegistryError, match=r"the default of R\.x \(line 1\) is no int; mend the defaults"):
        registry.register("a", text)
    assert registry.subjects() == ()
    assert registry.incompatibilities("a", text) == ("the default of R.x (line 1) is no int",)
