"""Tests of ``mesh.toml`` and its overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.model.config import MeshConfig, load_config
from mesh_defs.model.errors import ConfigError

EXAMPLE = """
[mesh]
name = "flights"
data = "data"

[kafka.main]
"bootstrap.servers" = "${KAFKA_BOOTSTRAP_SERVERS}"
"security.protocol" = "SASL_SSL"
"sasl.password" = "${KAFKA_PASSWORD}"

[registry.main]
url = "${SCHEMA_REGISTRY_URL}"

[process.replay]
command = "python domains/replay.py"

[alerts]
webhooks = ["${ALERT_WEBHOOK}"]
"""

ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka.example.org:9093",
    "KAFKA_PASSWORD": "hunter2",
    "SCHEMA_REGISTRY_URL": "https://me:hunter3@registry.example.org",
    "ALERT_WEBHOOK": "https://hooks.example.org/hunter4",
}


def load(root: Path, text: str, **environ: str) -> MeshConfig:
    """Write ``mesh.toml`` and load it under exactly that environment."""
    (root / "mesh.toml").write_text(text, encoding="utf-8")
    return load_config(root, environ)


def refused(root: Path, text: str, **environ: str) -> str:
    """Return the message of the refusal."""
    with pytest.raises(ConfigError) as caught:
        load(root, text, **environ)
    return str(caught.value)


def test_example_of_the_design(tmp_path: Path) -> None:
    """The documented file gives connection, registry, process and hooks with the variables filled in."""
    config = load(tmp_path, EXAMPLE, **ENVIRONMENT)
    assert config.name == "flights"
    assert config.data == tmp_path.resolve() / "data"
    assert config.kafka["main"] == {
        "bootstrap.servers": "kafka.example.org:9093",
        "security.protocol": "SASL_SSL",
        "sasl.password": "hunter2",
    }
    assert config.registries["main"].url == ENVIRONMENT["SCHEMA_REGISTRY_URL"]
    assert config.processes["replay"].command == ("python", "domains/replay.py")
    assert config.webhooks == ("https://hooks.example.org/hunter4",)
    assert not config.bootstrap_overridden
    assert not config.has_local_kafka


def test_empty_file_is_the_local_mesh(tmp_path: Path) -> None:
    """Without any table the mesh has the folder's name, `data` beside the file, and the local Kafka."""
    config = load(tmp_path, "")
    assert config.name == tmp_path.name
    assert config.data == tmp_path.resolve() / "data"
    assert config.has_local_kafka


def test_secrets_are_hidden(tmp_path: Path) -> None:
    """Neither the representation nor the shown form holds a secret."""
    config = load(tmp_path, EXAMPLE, **ENVIRONMENT)
    for text in (repr(config), str(config.shown())):
        assert "hunter" not in text
    assert "kafka.example.org:9093" in str(config.shown())


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("ssl.key.password", "hunter2", "********"),
        ("ssl.keystore.password", "hunter2", "********"),
        ("ssl.key.pem", "-----BEGIN hunter2", "********"),
        ("sasl.oauthbearer.client.secret", "hunter2", "********"),
        ("sasl.oauthbearer.assertion.private.key.passphrase", "hunter2", "********"),
        ("sasl.oauthbearer.config", "principal=hunter2", "********"),
        ("sasl.oauthbearer.extensions", "key=hunter2", "********"),
        ("sasl.kerberos.kinit.cmd", "echo hunter2 | kinit", "********"),
        ("https.proxy", "http://me:hunter2@p:1", "http://********@p:1"),
        ("https.proxy", "http://me:hun@ter2/hunter3@p:1/x", "http://********@p:1/x"),
        ("https.proxy", "http://p:1/x?key=hunter2", "http://p:1/x?********"),
        (
            "https.proxy",
            "http://a:hunter2@p:1,http://b:hunter3@q:2?k=hunter4",
            "http://********@p:1,http://********@q:2?********",
        ),
        ("ssl.key.location", "/etc/keys/mesh.key", "/etc/keys/mesh.key"),
        ("ssl.ca.location", "/etc/ca.pem", "/etc/ca.pem"),
        ("sasl.username", "me", "me"),
    ],
)
def test_secrets_of_every_form_are_hidden(tmp_path: Path, key: str, value: str, shown: str) -> None:
    """By the option's name, or by their place in an address; what is no secret stays readable."""
    text = f'[kafka.main]\n"bootstrap.servers" = "a:1"\n"{key}" = "{value}"'
    config = load(tmp_path, text)
    assert config.kafka["main"][key] == value
    assert config.shown()["kafka"] == {"main": {"bootstrap.servers": "a:1", key: shown}}
    assert "hunter" not in repr(config)


def test_what_a_mounted_file_says_is_hidden_everywhere(tmp_path: Path) -> None:
    """Who mounts a file means a secret, whatever key takes it."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n", encoding="utf-8")
    text = '[mesh]\nname = "m-${S}"\n[kafka.main]\n"bootstrap.servers" = "a:1"\n"client.id" = "x-${S}"'
    config = load(tmp_path, text, S_FILE=str(secret))
    assert config.kafka["main"]["client.id"] == "x-hunter2"
    assert config.shown()["kafka"] == {"main": {"bootstrap.servers": "a:1", "client.id": "x-********"}}
    assert "hunter" not in str(config.shown())


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("feed --password hunter2 --speed 3", "feed --password ******** --speed 3"),
        ("feed --db-password=hunter2 x", "feed --db-password=******** x"),
        ("feed --api-key 'hunter2 hunter3' x", "feed --api-key ******** x"),
        ("env API_TOKEN=hunter2 feed", "env API_TOKEN=******** feed"),
        ("feed postgres://me:hunter2@db/x", "feed postgres://********@db/x"),
        ("feed --token ${TOKEN} --password '${TOKEN}'", "feed --token ${TOKEN} --password '${TOKEN}'"),
        ("feed --no-password --speed 3", "feed --no-password --speed 3"),
        ("feed --pass=hunter2 --pwd hunter3 x", "feed --pass=******** --pwd ******** x"),
        ("env PGPASS=hunter2 MYSQL_PWD=hunter3 feed", "env PGPASS=******** MYSQL_PWD=******** feed"),
        ("curl -u me:hunter2 http://x", "curl -u me:******** http://x"),
        ("curl -H 'Authorization: Bearer hunter2' x", "curl -H 'Authorization: Bearer ********' x"),
        ("feed --author me --compass north", "feed --author me --compass north"),
    ],
)
def test_secrets_in_commands_are_hidden(tmp_path: Path, command: str, shown: str) -> None:
    """Those that somebody wrote into mesh.toml itself; a variable's name is none."""
    config = load(tmp_path, f'[process.feed]\ncommand = "{command}"', TOKEN="hunter4")  # noqa: S106
    assert config.shown()["process"] == {"feed": {"command": shown}}
    assert "hunter" not in repr(config)


def test_commands_are_shown_as_written(tmp_path: Path) -> None:
    """A variable in a command may be a secret: the shown form has its name, not its value."""
    config = load(tmp_path, '[process.feed]\ncommand = "feed --token ${TOKEN}"', TOKEN="hunter2")  # noqa: S106
    assert config.processes["feed"].command == ("feed", "--token", "hunter2")
    assert config.shown()["process"] == {"feed": {"command": "feed --token ${TOKEN}"}}
    assert "hunter" not in repr(config)


def test_variable_from_a_mounted_file(tmp_path: Path) -> None:
    """A variable that is not set is read from the file that NAME_FILE names, its line end dropped."""
    secret = tmp_path / "password"
    secret.write_text("from file\n", encoding="utf-8")
    text = '[kafka.other]\n"bootstrap.servers" = "a:1"\n"sasl.password" = "x${PW}x"'
    assert load(tmp_path, text, PW_FILE=str(secret)).kafka["other"]["sasl.password"] == "xfrom filex"
    assert load(tmp_path, text, PW="set", PW_FILE=str(secret)).kafka["other"]["sasl.password"] == "xsetx"


def test_missing_variable_names_the_key(tmp_path: Path) -> None:
    """Each missing variable is named with its key, all in one error."""
    message = refused(tmp_path, EXAMPLE)
    for name in ENVIRONMENT:
        assert name in message
    assert "[kafka.main] sasl.password" in message


def test_unreadable_secret_file_names_the_variable(tmp_path: Path) -> None:
    """A NAME_FILE that does not exist is told with key and variable."""
    text = '[kafka.main]\n"bootstrap.servers" = "${SERVERS}"'
    message = refused(tmp_path, text, SERVERS_FILE=str(tmp_path / "absent"))
    assert "[kafka.main] bootstrap.servers" in message
    assert "SERVERS_FILE" in message


def test_all_problems_at_once_with_suggestions(tmp_path: Path) -> None:
    """Unknown tables and keys, wrong types and bad commands are told together."""
    message = refused(
        tmp_path,
        """
        [mash]
        [mesh]
        nam = "x"
        data = 3
        [kafka.main]
        "client.id" = "x"
        [registry.main]
        [process.replay]
        comand = "python"
        [process.daemon]
        command = "a 'b"
        [alerts]
        webhooks = "x"
        """,
    )
    for part in (
        "unknown table [mash], did you mean 'mesh'?",
        "[mesh] unknown key 'nam', did you mean 'name'?",
        "[mesh] data must be a text",
        "[kafka.main] lacks the key 'bootstrap.servers'",
        "[registry.main] needs one of",
        "[process.replay] unknown key 'comand', did you mean 'command'?",
        "[process.replay] needs a 'command'",
        "[process.daemon] has the name of a part",
        "[process.daemon] command cannot be split",
        "[alerts] webhooks must be a list",
    ):
        assert part in message


def test_a_webhook_is_an_address(tmp_path: Path) -> None:
    """Otherwise no alert would ever arrive; the message does not say what stands there, which may be a secret."""
    message = refused(tmp_path, '[alerts]\nwebhooks = ["https://a/b", "${H}", "http://"]', H="hunter2")
    assert "[alerts] webhooks[1] is no address" in message
    assert "[alerts] webhooks[2] is no address" in message
    assert "webhooks[0]" not in message
    assert "hunter" not in message


def test_kafka_values_become_the_texts_of_librdkafka(tmp_path: Path) -> None:
    """Numbers and booleans are written as librdkafka reads them, and unquoted dotted keys are understood."""
    config = load(
        tmp_path,
        """
        [kafka.main]
        bootstrap.servers = "a:1,b:2"
        security.protocol = "ssl"
        "socket.keepalive.enable" = true
        "fetch.wait.max.ms" = 10
        """,
    )
    assert config.kafka["main"] == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "ssl",
        "socket.keepalive.enable": "true",
        "fetch.wait.max.ms": "10",
    }


def test_overrides_of_the_environment(tmp_path: Path) -> None:
    """MESH_* variables replace main connection, main registry and data, and ask for no replaced variable."""
    config = load(
        tmp_path,
        EXAMPLE.replace("${ALERT_WEBHOOK}", "http://x"),
        MESH_BOOTSTRAP_SERVERS="localhost:1",
        MESH_SCHEMA_REGISTRY_URL="http://localhost:2",
        MESH_DATA="elsewhere",
    )
    assert config.kafka["main"] == {"bootstrap.servers": "localhost:1"}
    assert config.bootstrap_overridden
    assert config.registries["main"].url == "http://localhost:2"
    assert config.data == tmp_path.resolve() / "elsewhere"


def test_registry_in_git(tmp_path: Path) -> None:
    """A registry may be a folder of the project."""
    config = load(tmp_path, '[registry.main]\ndirectory = "schemas"')
    assert config.registries["main"].directory == tmp_path.resolve() / "schemas"


def test_options_of_a_registry(tmp_path: Path) -> None:
    """They are the client's, by its names; files begin at the project, and secrets are shown nowhere."""
    text = """
        [registry.main]
        url = "https://a.example.org,https://me:hunter3@b.example.org"
        ssl.ca.location = "ca.pem"
        "ssl.key.password" = "${KEY}"
        "basic.auth.user.info" = "me:${KEY}"
        "max.retries" = 2
        "timeout" = "${SECONDS}"
        """
    config = load(tmp_path, text, KEY="hunter2", SECONDS="2.5")
    options = config.registries["main"].options
    assert options == {
        "ssl.ca.location": str(tmp_path.resolve() / "ca.pem"),
        "ssl.key.password": "hunter2",
        "basic.auth.user.info": "me:hunter2",
        "max.retries": 2,
        "timeout": 2.5,
    }
    shown = str(config.shown())
    assert "hunter" not in shown + repr(config)
    assert "'max.retries': '2'" in shown


def test_a_registry_that_cannot_be(tmp_path: Path) -> None:
    """Unknown words, both kinds at once, and values of the wrong sort are told together."""
    message = refused(
        tmp_path,
        """
        [registry.a]
        url = "http://a"
        "basic.auth.userinfo" = "x"
        "max.retries" = -1
        "timeout" = true
        [registry.b]
        directory = "schemas"
        url = "http://b"
        [registry.c]
        directory = "schemas"
        compatibility = "BACKWARDS"
        compat = "FULL"
        [registry.d]
        directory = "schemas"
        "ssl.ca.location" = "x"
        """,
    )
    for part in (
        "[registry.a] unknown key 'basic.auth.userinfo', did you mean 'basic.auth.user.info'?",
        "[registry.a] max.retries must be a number, 0 or more",
        "[registry.a] timeout must be a number, 0 or more",
        "[registry.b] needs one of 'url' and 'directory'",
        "[registry.c] compatibility 'BACKWARDS' is unknown, did you mean 'BACKWARD'?",
        "[registry.c] unknown key 'compat', did you mean 'compatibility'?",
        "[registry.d] unknown key 'ssl.ca.location'",
    ):
        assert part in message


def test_escaped_and_malformed_placeholders(tmp_path: Path) -> None:
    """Two dollars stand for one, a variable in a command is one argument, and a default is no name."""
    text = '[process.a]\ncommand = "run $${HOME} ${TWO}"'
    assert load(tmp_path, text, TWO="b c").processes["a"].command == ("run", "${HOME}", "b c")
    assert "names no environment variable" in refused(tmp_path, '[mesh]\nname = "${A:-b}"')


def test_missing_and_broken_files(tmp_path: Path) -> None:
    """A folder without mesh.toml and a file that is no TOML each end with one clear error."""
    with pytest.raises(ConfigError, match="mesh init"):
        load_config(tmp_path, {})
    assert "line 2" in refused(tmp_path, "[mesh]\nname = x")
