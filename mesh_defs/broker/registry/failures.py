"""What goes wrong in a registry's service, as errors of the mesh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from mesh_defs.broker.registry.registry import Registry
from mesh_defs.model.errors import RegistryError, RegistryUnavailableError, UnknownSchemaError

_T = TypeVar("_T")

_UNKNOWN: Final = frozenset([40401, 40402, 40403])
"""No such subject, version, schema: "Errors" of Confluent's API reference. Another 404 is no answer of a registry."""

_CONFLICT: Final = 409
_UNPROCESSABLE: Final = 422
_FORBIDDEN: Final = frozenset([401, 403])


def asked(registry: Registry, what: str, ask: Callable[[], _T]) -> _T:
    """Return what a registry's service answers.

    Args:
        registry: That is asked.
        what: For the message, beginning with the verb.
        ask: A call of Confluent's client.

    Raises:
        UnknownSchemaError: It knows no such subject, version or schema.
        RegistryUnavailableError: It does not answer, refuses the credentials, or answers nonsense.
        RegistryError: It refuses the schema.
    """
    # Here, because they bring an HTTP client and its kin: half a second that most commands have no use for.
    from authlib.common.errors import AuthlibBaseError  # noqa: PLC0415
    from confluent_kafka.schema_registry.common._httpx_compat import httpx  # noqa: PLC0415
    from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError  # noqa: PLC0415

    try:
        return ask()
    except SchemaRegistryError as error:
        raise _refusal(registry, what, error) from None
    except (OAuthTokenError, AuthlibBaseError) as error:
        raise unavailable(registry, what, "its token cannot be had") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unavailable(registry, what, f"it does not answer ({type(error).__name__})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # What the client lets out of an answer that is no registry's.
        why = f"it answers what no registry does ({type(error).__name__})"
        raise unavailable(registry, what, why) from error


def unavailable(registry: Registry, what: str, why: str) -> RegistryUnavailableError:
    """Return the error of a registry that cannot be asked now."""
    return RegistryUnavailableError(
        cannot=f"{what} in the registry {registry.name}",
        why=f"{registry.place}: {why}",
        do=f"start the registry, or mend [registry.{registry.name}] in mesh.toml; nothing is lost meanwhile",
    )


def _refusal(registry: Registry, what: str, error: Any) -> RegistryError:
    status = error.http_status_code
    if error.error_code in _UNKNOWN:
        return UnknownSchemaError(
            cannot=f"{what} in the registry {registry.name}",
            why=f"{registry.place} knows none",
            do="look whether it is the registry that the writers use",
        )
    if status in (_CONFLICT, _UNPROCESSABLE):
        kind = "it is not compatible" if status == _CONFLICT else "the registry refuses it"
        return RegistryError(
            cannot=what,
            why=f"{kind}: {' '.join(str(error.error_message).split())}",
            do="change the schema so that it is accepted, or name another subject",
        )
    why = "it refuses the credentials" if status in _FORBIDDEN else "it fails"
    return unavailable(registry, what, f"{why} (HTTP {status})")
