"""Reads the tables of ``mesh.toml`` and gathers every problem instead of stopping at the first."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_defs.model.suggest import did_you_mean

TABLES: Final = ("mesh", "kafka", "registry", "process", "alerts")
PARTS: Final = ("code", "daemon", "dagster-home", "kafka", "resident", "supervisor", "up", "webserver")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PLACEHOLDER: Final = re.compile(r"\$(\$?)\{([^}]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS: Final = re.compile(r"https?://[^/\s]", re.IGNORECASE)
_BOOTSTRAP: Final = ("bootstrap.servers", "metadata.broker.list")


@dataclass(slots=True, kw_only=True)
class ConfigReader:
    """Reads one document; what is wrong is added to ``problems``, and a harmless value stands in for it.

    Attributes:
        root: The project's folder.
        environ: The environment that ``${NAME}`` is read from.
        problems: What is wrong, each beginning with the table and the key.
        secrets: What was read from files that ``NAME_FILE`` names.
    """

    root: Path
    environ: Mapping[str, str]
    problems: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list, repr=False)

    def top(self, document: Mapping[str, object]) -> Mapping[str, object]:
        """Check the names of the top-level tables and return the document."""
        for name in document:
            if name not in TABLES:
                self.problems.append(f"unknown table [{name}], {did_you_mean(name, TABLES)}")
        return document

    def table(self, parent: Mapping[str, object], path: str, known: tuple[str, ...]) -> Mapping[str, object]:
        """Return the table at the last word of ``path``, its keys checked when ``known`` is not empty."""
        found = parent.get(path.rpartition(".")[2], {})
        if not isinstance(found, dict):
            self.problems.append(f"[{path}] is no table")
            return {}
        for key in found:
            if known and key not in known:
                self.problems.append(f"[{path}] unknown key '{key}', {did_you_mean(key, known)}")
        return found

    def names(self, document: Mapping[str, object], kind: str) -> tuple[str, ...]:
        """Return the names of ``[kind.NAME]`` tables."""
        names = tuple(self.table(document, kind, ()))
        for name in names:
            if not _NAME.fullmatch(name):
                self.problems.append(f"[{kind}.{name}] is no name: letters, digits, '_' and '-' only")
        return names

    def text(self, table: Mapping[str, object], path: str, key: str, *, default: str | None = None) -> str:
        """Return a non-empty text with its ``${NAME}`` filled in."""
        value = table.get(key, default)
        if value is None:
            self.problems.append(f"[{path}] lacks the key '{key}'")
            return ""
        if not isinstance(value, str) or not value.strip():
            self.problems.append(f"[{path}] {key} must be a text that is not empty")
            return ""
        return self.fill(value, f"[{path}] {key}")

    def texts(self, table: Mapping[str, object], path: str, key: str) -> tuple[str, ...]:
        """Return a list of texts; an absent key is an empty list."""
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.problems.append(f"[{path}] {key} must be a list of texts")
            return ()
        return tuple(self.fill(item, f"[{path}] {key}") for item in value)

    def addresses(self, table: Mapping[str, object], path: str, key: str) -> tuple[str, ...]:
        """Return a list of HTTP addresses; a problem names the place, for an address may hold a secret."""
        found = self.texts(table, path, key)
        for number, address in enumerate(found):
            if address and not _ADDRESS.match(address):
                self.problems.append(
                    f"[{path}] {key}[{number}] is no address: it begins with http:// or https://"
                )
        return found

    def folder(self, text: str) -> Path:
        """Return an absolute path; a relative one begins at the project."""
        return (self.root / Path(text).expanduser()).resolve()

    def connection(self, document: Mapping[str, object], name: str) -> dict[str, str]:
        """Return the librdkafka properties of ``[kafka.NAME]``; unquoted dotted keys are understood too."""
        path = f"kafka.{name}"
        properties: dict[str, str] = {}
        for key, value in flat(self.table(self.table(document, "kafka", ()), path, ())):
            if isinstance(value, bool):
                properties[key] = "true" if value else "false"
            elif isinstance(value, str | int | float):
                properties[key] = self.fill(str(value), f"[{path}] {key}")
            else:
                self.problems.append(f"[{path}] {key} must be a text, a number or a boolean")
        if not any(key in properties for key in _BOOTSTRAP):
            self.problems.append(f"[{path}] lacks the key 'bootstrap.servers'")
        return properties

    def processes(self, document: Mapping[str, object]) -> Iterator[tuple[str, tuple[str, ...], str]]:
        """Yield name and command of each ``[process.NAME]``, and the command as it is written."""
        for name in self.names(document, "process"):
            path = f"process.{name}"
            if name in PARTS:
                self.problems.append(f"[{path}] has the name of a part of the mesh itself")
            table = self.table(self.table(document, "process", ()), path, ("command",))
            yield name, self._command(table, path), str(table.get("command", ""))

    def fill(self, value: str, key: str) -> str:
        """Return ``value`` with each ``${NAME}`` replaced; ``$${NAME}`` stands for itself."""

        def replacement(match: re.Match[str]) -> str:
            escaped, name = match.groups()
            return f"${{{name}}}" if escaped else self._variable(name, key)

        return _PLACEHOLDER.sub(replacement, value)

    def _command(self, table: Mapping[str, object], path: str) -> tuple[str, ...]:
        command = table.get("command")
        if not isinstance(command, str) or not command.strip():
            self.problems.append(f"[{path}] needs a 'command', a text that is not empty")
            return ()
        try:
            words = shlex.split(command)
        except ValueError as error:
            self.problems.append(f"[{path}] command cannot be split into words: {error}")
            return ()
        # Filled after splitting, so that a blank in a variable does not make two arguments of one.
        return tuple(self.fill(word, f"[{path}] command") for word in words)

    def _variable(self, name: str, key: str) -> str:
        if not _VARIABLE.fullmatch(name):
            self.problems.append(f"{key}: '${{{name}}}' names no environment variable")
            return ""
        if name in self.environ:
            return self.environ[name]
        file = self.environ.get(f"{name}_FILE")
        if file is None:
            self.problems.append(
                f"{key} needs the environment variable {name}, or {name}_FILE with a file's path"
            )
            return ""
        try:
            value = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            self.problems.append(f"{key}: the file that {name}_FILE names cannot be read ({reason})")
            return ""
        self.secrets.append(value)
        return value


def flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield dotted keys: ``security.protocol`` without quotes is a nested table to TOML."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
