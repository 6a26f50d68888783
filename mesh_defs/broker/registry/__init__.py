"""Schema registries: a service that speaks Confluent's protocol, or a folder of schemas in git."""

from mesh_defs.broker.registry.index import INDEX_FILE
from mesh_defs.broker.registry.open import Registries, registry_for
from mesh_defs.broker.registry.registry import AVRO, Registry, SchemaReference, SubjectVersion, texts_of

__all__ = [
    "AVRO",
    "INDEX_FILE",
    "Registries",
    "Registry",
    "SchemaReference",
    "SubjectVersion",
    "registry_for",
    "texts_of",
]
