"""`workspace.yaml`: the code locations that Dagster loads, of which a mesh needs its own and one a domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from mesh_defs.contract.project import DOMAINS, Project
from mesh_defs.model.errors import ConfigError

WORKSPACE: Final = "workspace.yaml"
PLATFORM: Final = "mesh-platform"
"""The mesh's own location; the hyphen keeps it apart from every domain's."""

PLATFORM_MODULE: Final = "mesh_defs.orchestration.location"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLocation:
    """A code location that a project's workspace file lacks.

    Attributes:
        name: Its name.
        loss: What is not there without it.
        entry: Its line for the list `load_from`.
    """

    name: str
    loss: str
    entry: str

    @property
    def message(self) -> str:
        """What is missing and what to do, in one line."""
        return f"{WORKSPACE} lacks the code location {self.name}, so {self.loss}: add `{self.entry}` below `load_from:`"


def missing_locations(project: Project) -> tuple[MissingLocation, ...]:
    """Return the locations that a project needs and its workspace file does not name.

    Raises:
        ConfigError: The file cannot be read, or holds no list of locations.
    """
    path = project.root / WORKSPACE
    listed = _listed(path)
    targets = tuple(location_targets(listed))
    missing = []
    if not any(target.get("module_name") == PLATFORM_MODULE for target in targets):
        missing.append(
            MissingLocation(
                name=PLATFORM,
                loss="there are no alerts, and Dagster's storage grows without end",
                entry=f"- python_module: {{module_name: {PLATFORM_MODULE}, working_directory: ., "
                f"location_name: {PLATFORM}}}",
            )
        )
    files = {str(target.get("relative_path")) for target in targets}
    names = {str(target.get("location_name")) for target in targets}
    for name in project.domain_names():
        file = f"{DOMAINS}/{name}/definitions.py"
        if name not in names and file not in files:
            entry = f"- python_file: {{relative_path: {file}, working_directory: ., location_name: {name}}}"
            missing.append(MissingLocation(name=name, loss="Dagster does not show that domain", entry=entry))
    return tuple(missing)


def missing_files(project: Project) -> tuple[str, ...]:
    """Return the files that a project's workspace file names and that are not there. Raises as `missing_locations`."""
    targets = location_targets(_listed(project.root / WORKSPACE))
    named = [path for target in targets if isinstance(path := target.get("relative_path"), str)]
    return tuple(path for path in named if not (project.root / path).exists())


def location_targets(listed: Iterable[object]) -> Iterable[Mapping[str, Any]]:
    """Yield what each entry of `load_from` points to."""
    for entry in listed:
        for target in entry.values() if isinstance(entry, dict) else ():
            if isinstance(target, dict):
                yield target


def _listed(path: Path) -> list[object]:
    try:
        document = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        document = {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(cannot=f"read {path}", why=str(error), do="mend that file") from None
    except YAMLError as error:
        why = f"it is not YAML: {str(error).splitlines()[0]}"
        raise ConfigError(cannot=f"read {path}", why=why, do="mend that file") from None
    listed = document.get("load_from") if isinstance(document, dict) else document
    if not isinstance(document, dict | None) or not isinstance(listed, list | None):
        raise ConfigError(cannot=f"read {path}", why="it has no list `load_from`", do="mend that file")
    return listed or []
