"""The working folder of a rehearsal."""

import json
import os
import stat
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from dotenv import dotenv_values

from rehearsal.server_files import Layout, Secrets, write_layout

IMAGES = {
    "database": "rollback-runbook/rehearsal-database:0",
    "gateway": "rollback-runbook/rehearsal-gateway:1",
    "stocked-registry": "rollback-runbook/rehearsal-stocked-registry:2",
    "desk": "rollback-runbook/rehearsal-desk:3",
}


@pytest.fixture
def drawn() -> Secrets:
    """The secrets of a rehearsal."""
    return Secrets.draw()


@pytest.fixture
def layout(tmp_path: Path, drawn: Secrets, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A working folder whose files are written."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    folder = tmp_path / "shop-3f2a"
    folder.mkdir()
    layout = Layout(folder, 20001, 20002, 20003)
    before = os.umask(0o077)
    try:
        write_layout(layout, drawn, IMAGES, tag="2025-12-15-rc1", plugin_dirs=[Path("/plugins")])
    finally:
        os.umask(before)
    return layout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_server_has_what_a_team_has_and_nothing_else(layout: Layout) -> None:
    """The production host's folder has only the Compose file and the env file."""
    assert sorted(path.name for path in layout.server.iterdir()) == [".env", "docker-compose.yml"]


def test_modes_do_not_depend_on_the_umask(layout: Layout) -> None:
    """The env file has mode 640, the Compose file 644; private files have 600 in folders of 700."""
    assert mode(layout.env_file) == 0o640
    assert mode(layout.server / "docker-compose.yml") == 0o644
    assert mode(layout.outside / ".env") == 0o600
    assert mode(layout.docker_config) == 0o700
    assert mode(layout.docker_config / "config.json") == 0o600
    secrets = layout.folder / "secrets"
    assert mode(secrets) == 0o700
    assert {path.name: mode(path) for path in secrets.iterdir()} == {
        "registry_password": 0o600,
        "ticket_token": 0o600,
        "announce_url": 0o600,
    }


def test_the_env_file_reads_back(layout: Layout, drawn: Secrets) -> None:
    """Every value of the env file is read back correctly, despite comments, quotes and `export`."""
    values = dotenv_values(layout.env_file)
    address = urlsplit(values.pop("DATABASE_URL") or "")
    assert unquote(address.password or "") == drawn.database_password
    assert (address.scheme, address.username, address.hostname) == ("postgresql+psycopg", "shop", "db")
    assert values == {
        "COMPOSE_PROJECT_NAME": "shop-3f2a",
        "REGISTRY": "127.0.0.1:20002",
        "IMAGE_TAG": "2025-12-15-rc1",
        "GATEWAY_PORT": "20001",
        "POSTGRES_PASSWORD": drawn.database_password,
        "METRICS_TOKEN": drawn.metrics_token,
        "USER_TOKEN": drawn.user_token,
        "EXPORT_MODE": "on",
    }


def test_the_shell_reads_the_env_file_the_same(layout: Layout, drawn: Secrets) -> None:
    """A shell that sources the env file gets the password with its special characters."""
    script = 'set -a; . "$0"; printf "%s\\n%s" "$POSTGRES_PASSWORD" "$IMAGE_TAG"'
    done = subprocess.run(
        ["sh", "-euc", script, str(layout.env_file)], capture_output=True, text=True, check=True, timeout=10
    )
    assert done.stdout.splitlines() == [drawn.database_password, "2025-12-15-rc1"]


def test_no_placeholder_is_left_in_the_compose_files(layout: Layout) -> None:
    """The Compose files have the references of the shared images, and no placeholder is left."""
    server = (layout.server / "docker-compose.yml").read_text()
    outside = (layout.outside / "docker-compose.yml").read_text()
    assert "@" not in server + outside
    assert "image: rollback-runbook/rehearsal-database:0\n" in server
    assert "image: rollback-runbook/rehearsal-stocked-registry:2\n" in outside


def test_the_settings_point_at_this_production(layout: Layout, drawn: Secrets) -> None:
    """runbook.toml is valid TOML with the right folder and ports, and contains no secret."""
    text = layout.settings.read_text()
    settings = tomllib.loads(text)
    assert settings["project"]["directory"] == str(layout.server)
    assert settings["host"] == {"environment": {"DOCKER_CONFIG": str(layout.docker_config)}}
    assert settings["traffic"]["public_url"] == "http://127.0.0.1:20001"
    assert settings["ticket"]["api_url"] == "http://127.0.0.1:20003/api/v3"
    password = Path(settings["registry"]["password"]["file"])
    assert password.read_text().strip() == drawn.registry_password
    assert not [secret for secret in drawn.all() if secret in text]


def test_docker_finds_the_password_and_the_plugins(layout: Layout, drawn: Secrets) -> None:
    """Docker's configuration has the registry's login and the given plugin folders."""
    config = json.loads((layout.docker_config / "config.json").read_text())
    assert list(config["auths"]) == ["127.0.0.1:20002"]
    assert config["auths"]["127.0.0.1:20002"]["auth"] in drawn.all()
    assert config["cliPluginsExtraDirs"] == ["/plugins"]


def test_secrets_are_new_every_time(drawn: Secrets) -> None:
    """Two rehearsals share no secret, and the secrets of one are all different."""
    mine, others = set(drawn.all()), set(Secrets.draw().all())
    assert len(mine) == 8
    assert not mine & others
