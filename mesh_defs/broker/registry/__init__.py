"""Schema registries: a service that speaks Confluent's protocol, or a folder of schemas in git."""

from mesh_defs.broker.registry.open import Registries, registry_for
from mesh_defs.broker.registry.registry import AVRO, Registry, SchemaReference, SubjectVersion, texts_of

__all__ = [
    "AVRO",
    "Registries",
    "Registry",
    "SchemaReference",
    "SubjectVersion",
    "registry_for",
    "texts_of",
]
