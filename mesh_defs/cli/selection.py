"""What a command's arguments choose: all, a domain (`operations`), or a member (`operations.flight_events`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from mesh_defs.cli.app import FAILED, project_of, say_error
from mesh_defs.cli.complete import stream_names
from mesh_defs.contract.contract import ContractBase, Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.suggest import did_you_mean

Members = Callable[[Domain], Iterable[ContractBase]]

StreamsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DOMAIN[.STREAM] ...]", show_default=False, autocompletion=stream_names),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a command works on.

    Attributes:
        project: The project.
        domains: Every domain that loads.
        wanted: The chosen members' names by domain.
        incomplete: Whether a broken domain, told already, is missing from what was asked for.
    """

    project: Project
    domains: dict[str, Domain]
    wanted: dict[str, list[str]]
    incomplete: bool

    @property
    def streams(self) -> list[StreamContract]:
        """The contracts of the chosen streams."""
        return [
            stream
            for domain, members in self.wanted.items()
            for stream in self.domains[domain].streams
            if stream.name in members
        ]


def selection(context: typer.Context, names: Sequence[str] | None, kind: str, members: Members) -> Selection:
    """Open the project, load its domains and choose among their members.

    Args:
        context: The command's.
        names: The arguments; none means everything.
        kind: The word for a member in messages.
        members: The streams or the products of a domain.

    Raises:
        ConfigError: There is no project, or a name is not declared.
    """
    project = project_of(context)
    domains = domains_of(project)
    return Selection(
        project=project,
        domains=domains,
        wanted=_chosen(project, domains, names, kind, members),
        incomplete=not names and len(domains) < len(project.domain_names()),
    )


def streams(context: typer.Context, names: Sequence[str] | None) -> Selection:
    """Choose among streams."""
    return selection(context, names, "stream", lambda domain: domain.streams)


def one_stream(context: typer.Context, name: str) -> tuple[Project, StreamContract]:
    """Return the stream that a decision is about, and its project.

    Raises:
        BadParameter: The name is that of several.
        ConfigError: There is no project, or the name is not declared.
    """
    chosen = streams(context, [name])
    if len(chosen.streams) != 1:
        raise typer.BadParameter(f"{name} is not one stream; write DOMAIN.STREAM")
    return chosen.project, chosen.streams[0]


def ingested(context: typer.Context, names: Sequence[str] | None) -> Selection:
    """Choose among what a pass takes in: streams and data at rest."""
    return selection(context, names, "stream or data at rest", lambda domain: domain.ingested)


def products(context: typer.Context, names: Sequence[str] | None) -> Selection:
    """Choose among products."""
    return selection(context, names, "product", lambda domain: domain.products)


def domains_of(project: Project) -> dict[str, Domain]:
    """Load every domain; one that is broken is told and left out.

    Raises:
        Exit: No domain can be loaded.
    """
    domains, broken = project.load_domains()
    for error in broken.values():
        say_error(error)
    if broken and not domains:
        raise typer.Exit(FAILED)
    return domains


def _chosen(
    project: Project, domains: dict[str, Domain], names: Sequence[str] | None, kind: str, members: Members
) -> dict[str, list[str]]:
    if not names:
        return {d.name: [m.name for m in members(d)] for d in domains.values()}
    wanted: dict[str, list[str]] = {}
    for name in names:
        domain_name, dot, member = name.partition(".")
        domain = domains.get(domain_name)
        if domain is None and domain_name in project.domain_names():  # it is broken, which was told
            raise typer.Exit(FAILED)
        known = [m.name for m in members(domain)] if domain else []
        table = domain.table(member) if domain and member not in known else None
        member = table.stream_name if table is not None else member
        if domain is None or (dot and member not in known):
            raise _unknown(
                name, kind if domain else "domain", [f"{domain_name}.{k}" for k in known] or domains
            )
        listed = wanted.setdefault(domain_name, [])
        listed.extend(m for m in ([member] if member else known) if m not in listed)
    return wanted


def _unknown(name: str, kind: str, options: Collection[str]) -> ConfigError:
    near = did_you_mean(name, options)
    every = f"name one of: {', '.join(sorted(options))}" if options else f"declare a {kind} first"
    return ConfigError(
        cannot=f"find {name or 'a name that is empty'}",
        why=f"no {kind} of that name is declared",
        do=near if near.endswith("?") else every,
    )
