"""Collects the findings of one file, and says what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from mesh_defs.model.errors import ContractError
from mesh_defs.model.findings import Finding, Severity, shown_path


class Placed(Protocol):
    """Something with a place in a file."""

    @property
    def line(self) -> int:
        """From 1."""

    @property
    def column(self) -> int:
        """From 1."""

    @property
    def where(self) -> str:
        """The place in the document."""

    @property
    def key(self) -> tuple[int, int] | None:
        """Line and column of the key, where there is one."""


class Report:
    """The findings of one file, in the making."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._findings: dict[tuple[int, int, str, str], Finding] = {}

    def error(self, node: Placed, rule: str, message: str) -> None:
        """Note an error in a value."""
        self.at(node.line, node.column, node.where, rule, message)

    def key_error(self, node: Placed, rule: str, message: str) -> None:
        """Note an error in the key before a value."""
        line, column = node.key or (node.line, node.column)
        self.at(line, column, node.where, rule, message)

    def warning(self, node: Placed, rule: str, message: str) -> None:
        """Note something doubtful, which does not refuse the file."""
        self.at(node.line, node.column, node.where, rule, message, severity=Severity.WARNING)

    def about_file(self, rule: str, message: str) -> None:
        """Note an error of the file as a whole."""
        self.at(1, 1, "", rule, message)

    def at(
        self,
        line: int,
        column: int,
        where: str,
        rule: str,
        message: str,
        *,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Note a finding; the same one at the same place counts once."""
        finding = Finding(
            path=self.path,
            line=line,
            column=column,
            severity=severity,
            where=where,
            rule=rule,
            message=message,
        )
        self._findings.setdefault((line, column, rule, message), finding)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of lines."""
        return tuple(sorted(self._findings.values(), key=lambda f: (f.line, f.column)))

    @property
    def refused(self) -> bool:
        """Whether an error is among them."""
        return has_errors(self._findings.values())


def has_errors(findings: Iterable[Finding]) -> bool:
    """Return whether one of the findings is an error."""
    return any(f.severity is Severity.ERROR for f in findings)


def refusal(path: Path, findings: tuple[Finding, ...]) -> ContractError:
    """Return the error that refuses a file, or a folder of files, for its findings."""
    errors = sum(f.severity is Severity.ERROR for f in findings)
    return ContractError(
        cannot=f"load {shown_path(path)}",
        why=f"{errors} error{'s' if errors != 1 else ''} in it",
        do="mend each, then run `mesh contract lint`",
        findings=findings,
    )


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'required'?`, or the closed list where nothing is near and it is short."""
    names = sorted(known)
    folded = {name.casefold().replace("_", "").replace("-", ""): name for name in names}
    plain = word.casefold().replace("_", "").replace("-", "")
    near = difflib.get_close_matches(plain, folded, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    if 0 < len(names) <= _SHORT_LIST:
        return f"; known: {', '.join(names)}"
    return ""


_SHORT_LIST = 24
