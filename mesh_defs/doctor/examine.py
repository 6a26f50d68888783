"""The examination: every part once, each attempt bounded, none breaking off the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.contract.workspace import PLATFORM, WORKSPACE, missing_files, missing_locations
from mesh_defs.doctor import machine, services
from mesh_defs.doctor.contracts import lint_contracts
from mesh_defs.doctor.verdict import Verdict, failed, ok, tried, warning
from mesh_defs.model.config import CONFIG_FILE, MAIN
from mesh_defs.model.errors import ConfigError, MeshError, StoreError, of_the_system
from mesh_defs.model.findings import Severity
from mesh_defs.store import DomainStore
from mesh_defs.store.engine import CATALOG_FILE
from mesh_defs.supervisor.down import running

Attempt = tuple[str, Callable[[], Verdict]]
Connection = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """Examines a project and the machine below it.

    Attributes:
        open_project: Opens the project; its error is a verdict too.
    """

    open_project: Callable[[], Project]

    def examine(self, before: Callable[[str], None]) -> Iterator[Verdict]:
        """Yield the verdict on each part, as it is found.

        Args:
            before: Is told the part that is tried next.
        """
        for part, attempt in self._attempts():
            before(part)
            yield tried(part, attempt)

    def _attempts(self) -> Iterator[Attempt]:
        yield "python", machine.python
        yield "extensions", machine.extensions
        try:
            project = self.open_project()
        except ConfigError as error:
            verdict = failed("configuration", f"cannot {error.cannot}: {error.why}", error.do)
            yield "configuration", lambda: verdict
            return
        yield "configuration", lambda: ok("configuration", str(project.root / CONFIG_FILE))
        yield from _of_project(project)


def _of_project(project: Project) -> Iterator[Attempt]:
    config, run = project.config, None
    try:
        run = running(project)
    except OSError as error:
        found = of_the_system(error, cannot="read what `mesh up` wrote down")
        yield "mesh up", partial(failed, "mesh up", f"cannot {found.cannot}: {found.why}", found.do)
    yield "disk", lambda: machine.disk(config.data)
    yield "port of the UI", lambda: machine.ui_port(run)
    if config.has_local_kafka:
        yield "java", machine.java_runs
        yield "jars", machine.jars
        yield "port of Kafka", lambda: machine.kafka_port(config)
    else:
        yield "java", lambda: ok("java", "not used: `main` is a Kafka of your own")
    yield "code locations", lambda: _locations(project)
    yield "contracts", lambda: _contracts(project)
    names, connections = _declared(project)
    for server, host in connections:
        yield f"broker {server}", partial(services.broker, config, server, host)
    for name in config.registries:
        yield f"registry {name}", partial(services.registry, name, config)
    if not config.registries:
        yield "registry", lambda: ok("registry", "not used: mesh.toml names none")
    for name in names:
        yield f"store {name}", partial(_store, project, name)
    yield "daemon", lambda: services.daemon(run)


def _locations(project: Project) -> Verdict:
    missing = missing_locations(project)
    gone = missing_files(project)
    if gone:
        found = f"{WORKSPACE} names {' and '.join(gone)}, which Dagster does not find"
        do = "take it from git, or from another domain: that file is the same in all of them"
        return failed("code locations", found, do)
    if not missing:
        return ok("code locations", f"{WORKSPACE} names {PLATFORM} and every domain")
    what = "; ".join(f"without {location.name} {location.loss}" for location in missing)
    entries = " and ".join(f"`{location.entry}`" for location in missing)
    return warning("code locations", what, f"add {entries} below `load_from:` of {WORKSPACE}")


def _contracts(project: Project) -> Verdict:
    findings = lint_contracts([project.root / "domains"])
    errors = sum(f.severity is Severity.ERROR for f in findings)
    do = "`mesh contract lint` shows them"
    if errors:
        return failed("contracts", f"{errors} errors, {len(findings) - errors} warnings", do)
    if findings:
        return warning("contracts", f"{len(findings)} warnings", do)
    return ok("contracts", f"no findings in {len(project.domain_names())} domains")


def _declared(project: Project) -> tuple[Sequence[str], Sequence[Connection]]:
    """Return the domains' names, and the connections that streams use with `main`, which `mesh up` starts."""
    main: Connection = (MAIN, None)
    try:
        names, (domains, _) = project.domain_names(), project.load_domains()
    except MeshError:  # the verdict on the contracts says it
        return (), (main,)
    used = {(s.server, None if s.server in project.config.kafka else s.server_host): None
            for domain in domains.values() for s in domain.live.streams}  # fmt: skip
    return names, (main, *(pair for pair in used if pair[0] != MAIN))


def _store(project: Project, domain: str) -> Verdict:
    part, folder = f"store {domain}", project.data_folder(domain)
    for path, is_right, what in (
        (folder, Path.is_dir, "folder"),
        (folder / CATALOG_FILE, Path.is_file, "file"),
    ):
        if path.exists() and not is_right(path):
            return failed(
                part, f"{path} is no {what}", "move it away; the first `mesh ingest` makes the store"
            )
    if not DomainStore.exists(folder):
        return ok(part, "there is none yet: the first `mesh ingest` makes it")
    try:
        with DomainStore.open(folder, domain, read_only=True) as store:
            found = (
                f"layout {store.offsets().layout}, snapshot {store.snapshot()}, {len(store.tables())} tables"
            )
            return ok(part, found)
    except StoreError as error:
        return failed(
            part, error.why, f"restore {folder} from its last backup, or move it away to ingest anew"
        )
