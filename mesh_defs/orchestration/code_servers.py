"""The code servers of all locations, each started once: web server and daemon share them.

Left to themselves the two start a code server a location each, of 140 MB. `dagster code-server start` lets them share
one, behind a process of 70 MB that passes calls on and starts the server anew at *Reload*; here one process passes on
the calls of all locations. The classes are those of that command and no public API: Dagster is pinned to one release.

Run as a program: WORKSPACE SOCKETS SHARED. It reads the workspace file of the project, serves each location at a socket
in the folder SOCKETS, and writes the workspace file SHARED, which names the sockets. A location that is added to the
file later is served too, and one that is taken out is named no more.
"""

import json
import logging
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
)
from dagster._core.utils import FuturesAwareThreadPoolExecutor
from dagster._core.workspace.load import location_origins_from_yaml_paths
from dagster._grpc.proxy_server import DagsterProxyApiServicer
from dagster._grpc.server import DagsterGrpcServer

HEARTBEAT_SECONDS = 45
"""A code server that hears nothing for so long ends by itself: nobody serves it any more."""

LOOK_SECONDS = 2.0

_log = logging.getLogger("mesh.code_servers")


class CodeServers:
    """Serves the locations of a workspace file.

    Args:
        sockets: The folder of the sockets; its path is short, since the system bounds that of a socket.
        shared: The workspace file that is written.
    """

    def __init__(self, sockets: Path, shared: Path) -> None:
        self._sockets = sockets
        self._shared = shared
        self._served: dict[str, threading.Thread] = {}
        self.stopped = threading.Event()

    def serve(self, workspace: Path) -> None:
        """Serve each location that is not served yet, wait until all are, and name them in the shared file."""
        origins = location_origins_from_yaml_paths([str(workspace)])
        ready = [
            self._start(origin)
            for origin in origins
            if isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
            and origin.location_name not in self._served
        ]
        for started in ready:
            started.wait()
        _write(self._shared, {"load_from": [{"grpc_server": self._entry(origin)} for origin in origins]})

    def _start(self, origin: ManagedGrpcPythonEnvCodeLocationOrigin) -> threading.Event:
        ready = threading.Event()
        thread = threading.Thread(target=self._run, args=(origin, ready), name=origin.location_name)
        self._served[origin.location_name] = thread
        thread.start()
        return ready

    def _run(self, origin: ManagedGrpcPythonEnvCodeLocationOrigin, ready: threading.Event) -> None:
        """Serve one location until the end; a code server that cannot be started is told by its answers."""
        ended = threading.Event()
        try:
            servicer = DagsterProxyApiServicer(
                loadable_target_origin=origin.loadable_target_origin,
                fixed_server_id=None,
                container_image=None,
                container_context=None,
                inject_env_vars_from_instance=False,
                location_name=origin.location_name,
                log_level="WARNING",
                startup_timeout=0,
                server_termination_event=ended,
                instance_ref=None,
                logger=_log,
                server_heartbeat=False,
                server_heartbeat_timeout=HEARTBEAT_SECONDS,
                heartbeat_ttl=HEARTBEAT_SECONDS,
                defs_state_info=None,
            )
            server = DagsterGrpcServer(
                server_termination_event=ended,
                dagster_api_servicer=servicer,
                logger=_log,
                threadpool_executor=FuturesAwareThreadPoolExecutor(),
                socket=str(self._socket(origin)),
            )
        finally:
            ready.set()
        threading.Thread(target=self._end, args=(ended,), daemon=True).start()
        server.serve()  # type: ignore[no-untyped-call]

    def _end(self, ended: threading.Event) -> None:
        self.stopped.wait()
        ended.set()

    def _socket(self, origin: CodeLocationOrigin) -> Path:
        place = list(self._served).index(origin.location_name)
        return self._sockets / f"{place}.sock"

    def _entry(self, origin: CodeLocationOrigin) -> Mapping[str, Any]:
        if isinstance(origin, GrpcServerCodeLocationOrigin):
            entry = {
                "host": origin.host,
                "port": origin.port,
                "socket": origin.socket,
                "ssl": origin.use_ssl,
            }
        else:
            entry = {"socket": str(self._socket(origin))}
        return {k: v for k, v in entry.items() if v is not None} | {"location_name": origin.location_name}


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file at once; JSON is YAML."""
    fresh = path.with_suffix(".tmp")
    fresh.write_text(json.dumps(document, indent=1), encoding="utf-8")
    fresh.replace(path)


def main(workspace: Path, sockets: Path, shared: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    servers = CodeServers(sockets, shared)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: servers.stopped.set())
    seen = None
    try:
        while not servers.stopped.is_set():
            changed = workspace.stat().st_mtime_ns
            if changed != seen:
                servers.serve(workspace)
                seen = changed
            servers.stopped.wait(LOOK_SECONDS)
    finally:
        servers.stopped.set()
        shutil.rmtree(sockets, ignore_errors=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    main(*map(Path, sys.argv[1:]))
