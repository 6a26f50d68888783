"""Writes docs/reference from the code: ``python -m mesh_defs.devtools.reference``. A test compares the two."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import typer

from mesh_defs.cli.main import app
from mesh_defs.contract.arrow import CHANGE_COLUMNS, FILE_COLUMNS, LOADS, PLATFORM_COLUMNS, RAW_COLUMN
from mesh_defs.contract.custom import KNOWN, Sort
from mesh_defs.devtools.reference_words import COLUMNS, PROPERTIES, TABLES
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"

_NOTE: Final = (
    "<!-- Written by `python -m mesh_defs.devtools.reference`; a test compares it with the code. -->"
)


def pages() -> dict[str, str]:
    """Return the text of each page by its file's name.

    Raises:
        KeyError: A property or a column has no words in `reference_words`; it is named.
    """
    made = {
        "commands.md": _commands(),
        "contract-properties.md": _properties(),
        "tables.md": _tables(),
        "errors.md": _errors(),
    }
    return {name: "\n".join(lines) + "\n" for name, lines in made.items()}


def _commands() -> Iterator[str]:
    root = typer.main.get_command(app)
    yield from ("# Commands", "", _NOTE, "")
    yield "`mesh` is the launcher of the checkout, `./mesh`. Standard output carries only the result; progress and"
    yield "errors go to standard error. The exit code is 0, or 1 where something failed, or 2 for a wrong command line."
    yield from _command(root, "mesh")


def _command(command: Any, path: str) -> Iterator[str]:
    """Yield a command's section, or those of a group; typer brings a click of its own, so that types say little."""
    context = command.context_class(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    is_group = hasattr(command, "list_commands")
    if not is_group or path == "mesh":
        yield from ("", f"## {path}", "", f"    {usage}", "")
        for paragraph in (command.help or "").split("\n\n"):
            yield from (" ".join(paragraph.split()), "")
        rows = [row for parameter in command.params if (row := _parameter(parameter, context)) is not None]
        if rows:
            yield from _table(("option or argument", "is", "default"), rows)
    for name in sorted(command.list_commands(context)) if is_group else ():
        found = command.get_command(context, name)
        if not found.hidden:
            yield from _command(found, f"{path} {name}")


def _parameter(parameter: Any, context: Any) -> tuple[str, str, str] | None:
    text = str(getattr(parameter, "help", None) or "")
    if parameter.param_type_name == "argument":
        return (f"`{parameter.make_metavar(context)}`", text, "") if text else None
    if getattr(parameter, "hidden", False):
        return None
    words = ", ".join(f"`{word}`" for word in (*parameter.opts, *parameter.secondary_opts))
    if parameter.metavar:
        words += f" {parameter.metavar}"
    choices = [f"`{_plain(choice)}`" for choice in getattr(parameter.type, "choices", ())]
    if choices:
        text += f" One of {', '.join(choices)}."
    value = parameter.default
    shown = "" if value is None or isinstance(value, bool) or callable(value) else f"`{_plain(value)}`"
    return words, text, shown


def _plain(value: object) -> str:
    return str(getattr(value, "value", value))


def _properties() -> Iterator[str]:
    yield from ("# Custom properties of a contract", "", _NOTE, "")
    yield "A contract is plain [ODCS](https://bitol-io.github.io/open-data-contract-standard/) 3.1; what that has no"
    yield "word for stands in `customProperties`. The list is closed: an unknown one is an error with a suggestion."
    yield "Those of another tool are let alone where their entry says `vendor`. Marked with *: read and checked, but"
    yield "what it asks for is not built yet; `mesh contract lint` says so."
    yield ""
    rows = []
    for name, known in KNOWN.items():
        words = PROPERTIES[name]
        sorts = ", ".join(s.value.removeprefix("a ") for s in Sort if s in known.sorts)
        rows.append(
            (f"`{name}`" + (" *" if words.later else ""), sorts, words.values, words.default, words.meaning)
        )
    unknown = PROPERTIES.keys() - KNOWN.keys()
    if unknown:
        raise KeyError(*unknown)
    yield from _table(("property", "of", "values", "default", "means"), rows)


def _tables() -> Iterator[str]:
    yield from ("# Tables and their columns", "", _NOTE, "")
    yield "Every domain's store holds a table a stream (one an event type, where its topic holds several), a table a"
    yield "product, and a few of the platform's own. They are asked as `domain.table`. A product's table has the"
    yield "columns of its contract and no others."
    schemas = _stored_schemas()
    for table, columns in schemas.items():
        title, text = TABLES[table]
        yield from ("", f"## {title}", "", text, "")
        rows = [(f"`{name}`", type_, COLUMNS[table][name]) for name, type_ in columns]
        yield from _table(("column", "type", "is"), rows)


def _stored_schemas() -> dict[str, list[tuple[str, str]]]:
    """Return the columns of each table as a real store has them."""
    with (
        tempfile.TemporaryDirectory(prefix="mesh-reference-") as folder,
        DomainStore.open(Path(folder) / "reference", "reference") as store,
    ):
        columns = [*PLATFORM_COLUMNS, *CHANGE_COLUMNS, RAW_COLUMN, *FILE_COLUMNS]
        store.ensure_table("stream", pa.schema(columns))
        store.ensure_table("loads", LOADS)
        return {
            table: [
                (str(row[0]), str(row[1]))
                for row in store.connection.execute(f"DESCRIBE reference.{table}").fetchall()
            ]
            for table in TABLES
        }


def _errors() -> Iterator[str]:
    yield from ("# Errors", "", _NOTE, "")
    yield "Every error is one line: what cannot be done, why, and what to do about it. `--verbose` before the command"
    yield "adds where it comes from. In Python they form one tree below `mesh_defs.model.errors.MeshError`; no message"
    yield "holds what a record said."
    yield ""
    yield from _table(("error", "kind of", "when"), list(_error_rows(MeshError)))


def _error_rows(parent: type[MeshError]) -> Iterator[tuple[str, str, str]]:
    for error in sorted(parent.__subclasses__(), key=lambda e: e.__name__):
        if error.__module__ == MeshError.__module__:
            yield f"`{error.__name__}`", f"`{parent.__name__}`", (error.__doc__ or "").partition("\n")[0]
            yield from _error_rows(error)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")


if __name__ == "__main__":
    main()
