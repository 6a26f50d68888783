"""What a pass would find: the question that sensors and `mesh status` ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.plan import StreamPlan, plan_stream
from mesh_defs.ingest.rest import Hashes, InputNews, input_news
from mesh_defs.model.errors import BrokerUnavailableError, MeshError
from mesh_defs.store import DomainStore, StoreOffsets, StreamOffsets


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNews:
    """How one stream stands against the broker.

    Attributes:
        error: Why the whole stream cannot be read; None where it can.
        plan: What a pass would do; None where the stream cannot be read.
    """

    stream: str
    plan: StreamPlan | None = None
    error: MeshError | None = None

    @property
    def has_news(self) -> bool:
        """Whether a pass has anything to do. An error is news too: only a failed run makes it loud."""
        return self.error is not None or (self.plan is not None and self.plan.has_news)

    @property
    def lag(self) -> int:
        """Offsets between the next offset and the last stable one."""
        return self.plan.lag if self.plan is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainNews:
    """How a domain stands: what the store holds, what the broker has beyond it, and what changed of files."""

    offsets: StoreOffsets
    streams: Mapping[str, StreamNews] = field(default_factory=dict)
    inputs: Mapping[str, InputNews] = field(default_factory=dict)


def read_offsets(project: Project, domain: str) -> StoreOffsets:
    """Return what a domain's store answers for; nothing where it was never written.

    Raises:
        StoreError: The store cannot be read.
    """
    folder = project.data_folder(domain)
    if not DomainStore.exists(folder):
        return StoreOffsets()
    with DomainStore.open(folder, domain, read_only=True) as store:
        return store.offsets()


def news(
    project: Project, domain: Domain, *, timeout: float | None = None, hashes: Hashes | None = None
) -> DomainNews:
    """Compare every stream of the domain with its broker, and its data at rest with their files.

    A cluster that does not answer for one stream is not asked for the others: each would wait as long.

    Args:
        project: The mesh.
        domain: The domain.
        timeout: Seconds after which each question to a cluster fails; None means the broker's default.
        hashes: What is known of files from before.

    Returns:
        A finding for each stream and input that is not retired; one that cannot be read carries the reason.

    Raises:
        StoreError: The domain's store cannot be read.
        BrokerUnavailableError: No broker answers, for none of the streams, and there is no data at rest.
    """
    domain = domain.live
    offsets = read_offsets(project, domain.name)
    found: dict[str, StreamNews] = {}
    down: dict[tuple[str, str | None], BrokerUnavailableError] = {}
    with Brokers(project.config, timeout=timeout) as brokers:
        for contract in domain.streams:
            connection = (contract.server, contract.server_host)
            plan: StreamPlan | None = None
            error: MeshError | None = down.get(connection)
            if error is None:
                plan, error = _plan(brokers, contract, offsets.streams.get(contract.name))
            if isinstance(error, BrokerUnavailableError):
                down[connection] = error
            found[contract.name] = StreamNews(stream=contract.name, plan=plan, error=error)
    errors = [n.error for n in found.values()]
    down_all = errors and all(isinstance(e, BrokerUnavailableError) for e in errors)
    if down_all and errors[0] is not None and not domain.inputs:
        raise errors[0]
    return DomainNews(offsets=offsets, streams=found, inputs=input_news(project, domain, hashes))


def _plan(
    brokers: Brokers, contract: StreamContract, stored: StreamOffsets | None
) -> tuple[StreamPlan | None, MeshError | None]:
    try:
        glance = brokers.of(contract).glance([contract.topic], patient=False)
        return plan_stream(glance, contract, stored), None
    except MeshError as error:
        return None, error
