"""Silent clusters are asked beside the ticks whether they answer again: the domain's other clusters wait for none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mesh_defs.broker import Broker, Brokers, ConnectionKey, Knock, connection_key
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import BrokerUnavailableError, MeshError


class Knocks:
    """The clusters of a domain that did not answer, and what they were asked.

    Args:
        brokers: The clusters.
    """

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._asked: dict[ConnectionKey, tuple[Broker, Knock]] = {}

    def sort(
        self, contracts: Sequence[StreamContract], silent: Collection[str]
    ) -> tuple[list[StreamContract], dict[str, MeshError]]:
        """Return the streams that may be tried now, and those of which the cluster was asked once more in vain.

        Those in neither wait for its answer.

        Args:
            contracts: The streams whose turn it is.
            silent: The names of those among them whose cluster did not answer when they were last tried.
        """
        ready: list[StreamContract] = []
        errors: dict[str, MeshError] = {}
        verdicts: dict[ConnectionKey, bool | MeshError] = {}
        for contract in contracts:
            key = connection_key(contract)
            if contract.name not in silent:
                ready.append(contract)
                continue
            if key not in verdicts:
                verdicts[key] = self._ask(contract)
            verdict = verdicts[key]
            if isinstance(verdict, MeshError):
                errors[contract.name] = verdict
            elif verdict:
                ready.append(contract)
        return ready, errors

    def _ask(self, contract: StreamContract) -> bool | MeshError:
        """Knock at a contract's cluster, or see what became of the knock."""
        key = connection_key(contract)
        try:
            broker = self._brokers.of(contract)
            asked = self._asked.get(key)
            if asked is None or asked[0] is not broker:  # one that was closed meanwhile hears no answer
                asked = self._asked[key] = (broker, broker.knock(contract.topic))
            if not asked[1].answered():
                return False
        except MeshError as error:
            self._asked.pop(key, None)
            if isinstance(error, BrokerUnavailableError):
                self._brokers.forget(contract)
            return error
        del self._asked[key]
        return True
