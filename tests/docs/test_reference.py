"""The generated reference is what the code says."""

from __future__ import annotations

from mesh_defs.devtools.reference import FOLDER, pages


def test_reference_is_up_to_date() -> None:
    """Each page is as the generator would write it now, and no other is there."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    made = pages()
    assert sorted(found) == sorted(made)
    for name, text in made.items():
        assert found[name] == text, f"{name} has drifted: run `python -m mesh_defs.devtools.reference`"
