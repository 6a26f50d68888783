"""New projects and new domains: the files that a person would otherwise copy from elsewhere."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from mesh_defs.contract.names import NAME, NAME_RULE, RESERVED_DOMAINS
from mesh_defs.contract.workspace import PLATFORM, PLATFORM_MODULE, WORKSPACE, location_targets
from mesh_defs.model.config import CONFIG_FILE
from mesh_defs.model.errors import ConfigError

_MESH_TOML: Final = """\
[mesh]
name = {name}
data = "data"

# Without a table [kafka.main], `main` is the local Apache Kafka that `mesh up` starts.
# [kafka.main]
# "bootstrap.servers" = "${{KAFKA_BOOTSTRAP_SERVERS}}"
"""

_WORKSPACE: Final = f"""\
# The domains, each a Dagster code location of its own; `mesh domain new NAME` adds one. `{PLATFORM}` looks after
# them: alerts, freshness, the size of Dagster's storage.
load_from:
  - python_module:
      module_name: {PLATFORM_MODULE}
      working_directory: .
      location_name: {PLATFORM}
"""

_GITIGNORE: Final = """\
data/*
!data/.gitkeep
__pycache__/
"""

_README: Final = """\
# {name}

A data mesh: event streams under data contracts, landed exactly once, asked in SQL. With the `mesh` command, in this
folder (or from anywhere with `--project`):

```sh
mesh domain new sales    # domains/sales: declare its streams in streams/, its products in products/
mesh contract lint       # what is wrong in the contracts, all at once
mesh up                  # Kafka where mesh.toml names none, Dagster, and the processes of mesh.toml
mesh sql 'SELECT 1'      # over all domains
```

Everything that is stored lies under `data/`, which is not in git.
"""

_DOMAIN_YAML: Final = """\
name: {name}
description: Events and data products of {name}.
owner: team:{name}
contact: team:{name}
"""

_DEFINITIONS: Final = '''\
"""The Dagster code location of this domain; everything in it comes from the contracts beside this file."""

from pathlib import Path

from mesh_defs.orchestration import build_domain

defs = build_domain(Path(__file__).parent)
'''


def new_project(folder: Path) -> tuple[Path, ...]:
    """Make an empty mesh project that runs.

    Args:
        folder: It is created, or is there and empty; a ``.git`` in it is no hindrance.

    Returns:
        The files, in the order in which a person would read them.

    Raises:
        ConfigError: The folder holds something, or cannot be written.
    """
    folder = folder.expanduser().absolute()
    what = f"make a mesh project at {folder}"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(cannot=what, why="that is a file", do="name a new folder")
    if folder.is_dir() and any(entry.name != ".git" for entry in folder.iterdir()):
        raise ConfigError(cannot=what, why="the folder is not empty", do="name a new or an empty one")
    name = folder.name or "mesh"
    return _write(
        what,
        folder,
        {
            "README.md": _README.format(name=name),
            CONFIG_FILE: _MESH_TOML.format(name=json.dumps(name, ensure_ascii=False)),
            WORKSPACE: _WORKSPACE,
            ".gitignore": _GITIGNORE,
            "domains/.gitkeep": "",
            "tests/.gitkeep": "",
            "data/.gitkeep": "",
        },
    )


def new_domain(root: Path, name: str) -> tuple[Path, ...]:
    """Make an empty domain with valid defaults and add it to the workspace file, whose content stays.

    Args:
        root: The project's folder.
        name: The domain's name.

    Returns:
        The files that were written.

    Raises:
        ConfigError: The name cannot be one, the domain exists, or the workspace file cannot be read.
    """
    what = f"make the domain '{name}'"
    folder = root / "domains" / name
    if not NAME.fullmatch(name):
        raise ConfigError(cannot=what, why=f"that is no domain name ({NAME_RULE})", do="choose another name")
    if name in RESERVED_DOMAINS:
        raise ConfigError(cannot=what, why="the query engine keeps that name", do="choose another name")
    if folder.exists():
        raise ConfigError(
            cannot=what, why=f"{folder} exists", do="choose another name, or remove that folder"
        )
    workspace = _with_location(root / WORKSPACE, what, name)
    written = _write(
        what,
        folder,
        {
            "domain.yaml": _DOMAIN_YAML.format(name=name),
            "definitions.py": _DEFINITIONS,
            "streams/.gitkeep": "",
            "products/.gitkeep": "",
            "tests/.gitkeep": "",
        },
    )
    return (*written, *_write(what, root, {WORKSPACE: workspace}))


def _with_location(path: Path, what: str, name: str) -> str:
    """Return the workspace file's text with the domain added."""
    text = path.read_text(encoding="utf-8") if path.exists() else _WORKSPACE
    yaml = YAML()
    yaml.width = 4096
    if not any(line.startswith("- ") for line in text.splitlines()):
        yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise ConfigError(
            cannot=what, why=f"{path} is not YAML: {str(error).splitlines()[0]}", do="mend that file"
        ) from None
    if document is None:
        document = CommentedMap()
    listed = document.get("load_from") if isinstance(document, CommentedMap) else None
    if not isinstance(document, CommentedMap) or not isinstance(listed, CommentedSeq | None):
        raise ConfigError(cannot=what, why=f"{path} has no list `load_from`", do="mend that file")
    if not listed:
        listed = document["load_from"] = CommentedSeq()
    if name not in {str(target.get("location_name")) for target in location_targets(listed)}:
        listed.append({"python_file": _location(name)})
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _location(name: str) -> dict[str, str]:
    return {
        "relative_path": f"domains/{name}/definitions.py",
        "working_directory": ".",
        "location_name": name,
    }


def _write(what: str, folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    paths = tuple(folder / name for name in files)
    try:
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            cannot=what, why=f"{error.filename}: {error.strerror}", do="name a folder that you may write to"
        ) from None
    return paths
