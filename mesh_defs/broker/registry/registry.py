"""What every schema registry can do, in the words of Confluent's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

from mesh_defs.decode.schemas import RegisteredSchema

AVRO = "AVRO"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaReference:
    """A schema whose names another one uses.

    Attributes:
        name: How the other one calls it; of Avro the full name of its type.
        subject: Where it is registered.
        version: Of the subject.
    """

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectVersion:
    """A schema under a subject.

    Attributes:
        version: From 1.
    """

    subject: str
    version: int
    schema: RegisteredSchema


class Registry(ABC):
    """A schema registry. It is the decoders' `WriterSchemas`, and more.

    Attributes:
        name: In ``[registry.NAME]``.
        place: Its address without credentials, or its folder, for messages.
    """

    name: str
    place: str

    @abstractmethod
    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id.

        Raises:
            UnknownSchemaError: There is no such id, also after retries.
            RegistryUnavailableError: The registry does not answer.
            SchemaChangedError: The id meant another schema before.
        """

    @abstractmethod
    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID.

        Raises:
            UnknownSchemaError: There is no such GUID, also after retries.
            RegistryUnavailableError: The registry does not answer.
            SchemaChangedError: The GUID meant another schema before.
        """

    @abstractmethod
    def subjects(self) -> tuple[str, ...]:
        """Return the subjects, in order.

        Raises:
            RegistryError: The registry does not answer, or refuses.
        """

    @abstractmethod
    def versions(self, subject: str) -> tuple[int, ...]:
        """Return the versions of a subject, ascending; empty where there is no such subject.

        Raises:
            RegistryError: The registry does not answer, or refuses.
        """

    @abstractmethod
    def version(self, subject: str, version: int | None = None) -> SubjectVersion:
        """Return a version of a subject, the newest unless one is said.

        Raises:
            UnknownSchemaError: There is no such subject or version.
            RegistryError: The registry does not answer, or refuses.
        """

    @abstractmethod
    def incompatibilities(
        self, subject: str, text: str, references: Sequence[SchemaReference] = ()
    ) -> tuple[str, ...]:
        """Return why an Avro schema cannot be the next version of a subject; empty where it can.

        Raises:
            RegistryError: The registry does not answer, or refuses.
            ContractError: The text is no Avro schema.
        """

    @abstractmethod
    def register(self, subject: str, text: str, references: Sequence[SchemaReference] = ()) -> SubjectVersion:
        """Register an Avro schema; one that the subject holds already keeps its version and id.

        Raises:
            RegistryError: It is not compatible with the subject's other versions, or the registry does not answer.
            ContractError: The text is no Avro schema.
        """

    @abstractmethod
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong in the registry itself, a sentence each.

        Raises:
            RegistryError: The registry does not answer, or refuses.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of connections. The registry is of no use afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def texts_of(references: Sequence[RegisteredSchema]) -> tuple[str, ...]:
    """Return the texts of schemas and of those that they use, each once and before those that use it."""
    texts: dict[str, None] = {}
    for reference in references:
        texts |= dict.fromkeys((*texts_of(reference.references), reference.text))
    return tuple(texts)
