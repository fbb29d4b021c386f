"""Secrets as Compose sees them, in every notation: each value is known and redacted."""

from pathlib import Path

import pytest

from runbook.errors import EnvFileError
from runbook.production.env_file import EnvFileOnHost
from runbook.production.invocation import Invocation
from runbook.production.secrets import secrets_of
from runbook.secrets.redactor import Redactor
from tests.support.parts import production

ENV = r"""MONTH=2026-01
IMAGE_TAG=${MONTH}-rc1
SMTP_PASSWORD=blue$$Heron77flies
PART=sup3r
JOIN_SECRET=${PART}-s3cret-${PART}
API_KEY=${FALLBACK_KEY:-d3fault-k3y}
DB_PASSWORD: colon-s3cret-value
CACHE_PASSWORD="quoted-s3cret" x
TUNING=tuning$$value
LOGIN='login$value'
"""
PROJECT = """
services:
  api:
    image: registry.example/shop/api:${IMAGE_TAG}
    environment:
      LITERAL_TOKEN: lit$$eral-token
      DATABASE_URL: postgres://shop:${PART}-joined@db/shop
    env_file:
      - {path: plain.env}
      - {path: raw.env, format: raw}
      - {path: missing.env, required: false}
    build: {context: ., args: {NPM_TOKEN: npm$$token}}
    configs: [tuning]
    secrets: [login, filed]
  debug:
    image: debug
    profiles: [debug]
    environment: {DEBUG_TOKEN: "debug-token"}
configs:
  tuning: {environment: TUNING}
secrets:
  login: {environment: LOGIN}
  filed: {file: ./filed}
"""
FILES = {
    ".env": ENV,
    "docker-compose.yml": PROJECT,
    "plain.env": 'PLAIN_TOKEN="plain$$token" x\n',
    "raw.env": 'RAW_TOKEN=raw$$tok${en}"\n',
    "filed": "filed-secret\n",
}
SECRETS = [
    "blue$Heron77flies", "sup3r-s3cret-sup3r", "d3fault-k3y", "colon-s3cret-value", "quoted-s3cret", "lit$eral-token",
    "sup3r-joined", "plain$token", 'raw$$tok${en}"', "npm$token", "tuning$value", "login$value", "filed-secret",
    "debug-token",
]  # fmt: skip


def laid_out(folder: Path, redactor: Redactor, **files: str) -> EnvFileOnHost:
    for name, text in (FILES | files).items():
        (folder / name).write_text(text)
    # No container with that name runs on this engine.
    site = production(folder, name="secrets")
    return EnvFileOnHost(site, str(folder / ".env"), redactor, ())


def test_every_secret_is_struck_out(tmp_path: Path) -> None:
    """However a secret reaches a service, its value is known before anything is written."""
    redactor = Redactor()
    there = laid_out(tmp_path, redactor)
    there.read()
    redactor.learn_all(secrets_of(there._production, there, ()))
    shown = [secret for secret in SECRETS if secret in redactor.text(f"ERROR login with {secret} was refused")]
    assert shown == []


def test_tag_that_is_made_of_parts_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """A tag composed of other values becomes a literal, and those values stay."""
    there = laid_out(tmp_path, Redactor())
    env_file = there.read()
    assert env_file.value_of("IMAGE_TAG") == "2026-01-rc1"
    assert there.with_value(env_file, "IMAGE_TAG", "2025-12-rc4") == ENV.replace("${MONTH}-rc1", "2025-12-rc4").encode()


def beside(folder: Path, env: str, other: str, *env_files: str) -> EnvFileOnHost:
    """Return the env file, next to another env file that production was started with."""
    there = laid_out(folder, Redactor(), **{".env": env, "other.env": other})
    there._production.invocation = Invocation(("docker-compose.yml",), env_files)
    return there


def test_other_env_files_are_read_with_it(tmp_path: Path) -> None:
    """A value composed from another env file is the one that Compose makes."""
    there = beside(tmp_path, "IMAGE_TAG=v1\nTOKEN=${PART}-y\n", "PART=from-there\n", "other.env", ".env")
    env_file = there.read()
    assert env_file.values == {"IMAGE_TAG": "v1", "TOKEN": "from-there-y"}
    assert there.values_of(["PART", "NOT_SET"]) == {"PART": "from-there"}
    assert there.with_value(env_file, "IMAGE_TAG", "v2") == b"IMAGE_TAG=v2\nTOKEN=${PART}-y\n"
    assert there.at(str(tmp_path / "other.env"), alone=True).read().values == {"PART": "from-there"}


def test_other_env_file_that_is_gone(tmp_path: Path) -> None:
    """The missing file is named."""
    with pytest.raises(EnvFileError, match=r"couldn't find env file: .*gone\.env"):
        beside(tmp_path, "IMAGE_TAG=v1\n", "", "gone.env", ".env").read()


def test_value_that_a_later_env_file_decides(tmp_path: Path) -> None:
    """If another env file takes precedence, a change of this one has no effect, and the plan says so."""
    there = beside(tmp_path, "IMAGE_TAG=v1\n", "IMAGE_TAG=v3\n", ".env", "other.env")
    with pytest.raises(EnvFileError, match=r"Compose reads IMAGE_TAG=v3 whatever .* sets: it is set elsewhere"):
        there.with_value(there.read(), "IMAGE_TAG", "v2")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("IMAGE_TAG=v1\nA!=s3cret-value\n", "line 2: unexpected character", id="bad-name"),
        pytest.param('IMAGE_TAG=v1\nA="s3cret-value\n', "unterminated quoted value", id="open-quote"),
        pytest.param("IMAGE_TAG=v1\nA=${s3cret-value\n", "Invalid template", id="open-brace"),
        pytest.param("IMAGE_TAG=v1\nA=${NO:?s3cret-value}\n", "required variable NO is missing", id="required"),
        pytest.param("A B=s3cret-value\n", "key cannot contain a space", id="space"),
    ],
)
def test_what_compose_cannot_read_is_not_quoted(tmp_path: Path, content: str, words: str) -> None:
    """The line is given by its number, without its content: which parts are secret is not known yet."""
    with pytest.raises(EnvFileError, match=words) as caught:
        laid_out(tmp_path, Redactor(), **{".env": content}).read()
    assert "s3cret" not in str(caught.value)


def test_change_leaves_nothing_on_the_host(tmp_path: Path) -> None:
    """The bytes that were passed to Compose are in no file on the host."""
    there = laid_out(tmp_path, Redactor())
    before = sorted(tmp_path.iterdir()), sorted(Path("/dev/shm").iterdir())
    there.with_value(there.read(), "IMAGE_TAG", "v2")
    assert (sorted(tmp_path.iterdir()), [path for path in before[1] if not path.exists()]) == (before[0], [])
    assert not list(Path("/dev/shm").glob("runbook.*"))
