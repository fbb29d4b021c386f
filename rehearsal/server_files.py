"""The working folder of one rehearsal: the server as a team has it, the outside world, the settings."""

import base64
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from rehearsal.releases import HERE

DEPLOYER = "deploy"
ANNOUNCER = "runbook"


@dataclass(frozen=True)
class Secrets:
    """Passwords and tokens, new for every rehearsal."""

    registry_password: str
    ticket_token: str
    announce_password: str
    database_password: str
    metrics_token: str
    user_token: str

    @classmethod
    def draw(cls) -> "Secrets":
        """Draw all secrets at random. The database password has characters that need quoting somewhere."""
        return cls(
            registry_password=secrets.token_urlsafe(18),
            ticket_token=f"ghp_{secrets.token_hex(18)}",
            announce_password=secrets.token_urlsafe(18),
            database_password=f"{secrets.token_urlsafe(9)}$+/{secrets.token_urlsafe(9)}",
            metrics_token=secrets.token_urlsafe(24),
            user_token=secrets.token_urlsafe(24),
        )

    def all(self) -> list[str]:
        """Return every secret, also as encoded in an address or a header."""
        login = base64.b64encode(f"{DEPLOYER}:{self.registry_password}".encode()).decode()
        return [*vars(self).values(), quote(self.database_password, safe=""), login]


@dataclass(frozen=True)
class Layout:
    """The files and ports of one rehearsal."""

    folder: Path
    gateway_port: int
    registry_port: int
    desk_port: int
    #: The address of all these ports: this machine's, or the second host's, whose client configuration is `ssh_config`.
    address: str = "127.0.0.1"
    ssh_config: Path | None = None
    #: For an additional host: its number, and the address of the registry and the desk.
    number: int = 1
    outside_address: str | None = None
    #: The hosts beside the first.
    others: "tuple[Layout, ...]" = ()

    def beside(self, number: int, address: str) -> "Layout":
        """Return the layout of an additional host: the same production at another address, in a separate folder."""
        return replace(self, number=number, address=address, outside_address=self.address)

    @property
    def name(self) -> str:
        """The rehearsal's name, which is also its Compose project's name."""
        return self.folder.name

    @property
    def server(self) -> Path:
        """The production host's folder: only docker-compose.yml and .env, nothing of the rehearsal."""
        return self.folder / ("server" if self.number == 1 else f"server-{self.number}")

    @property
    def env_file(self) -> Path:
        """The team's env file."""
        return self.server / ".env"

    @property
    def outside(self) -> Path:
        """The folder of the outside world."""
        return self.folder / "outside"

    @property
    def docker_config(self) -> Path:
        """The folder of docker's client configuration."""
        return self.folder / "docker-config"

    @property
    def settings(self) -> Path:
        """The settings file that points the runbook at this production."""
        return self.folder / "runbook.toml"

    @property
    def registry(self) -> str:
        """The registry's host and port, as in image names."""
        return f"{self.outside_address or self.address}:{self.registry_port}"


def write_layout(
    layout: Layout, drawn: Secrets, images: dict[str, str], *, tag: str, plugin_dirs: Sequence[Path] = ()
) -> None:
    """Write the working folder, which must exist and be empty. `images` has the shared images' references.

    `plugin_dirs` are additional folders in which docker finds its compose plugin.
    """
    for folder in (layout.server, layout.outside):
        folder.mkdir(mode=0o755)
    for folder in (layout.docker_config, layout.folder / "secrets"):
        folder.mkdir(mode=0o700)
    _write_server(layout, drawn, images, tag)
    for each in layout.others:
        each.server.mkdir(mode=0o755)
        _write_server(each, drawn, images, tag)
    _write(layout.outside / "docker-compose.yml", compose_file("outside", images, layout.address), 0o644)
    _write(layout.outside / ".env", outside_env_text(layout, drawn), 0o600)
    _write(layout.docker_config / "config.json", docker_config_text(layout, drawn, plugin_dirs), 0o600)
    kept = {
        "registry_password": drawn.registry_password,
        "ticket_token": drawn.ticket_token,
        "announce_url": f"json://{ANNOUNCER}:{drawn.announce_password}@{layout.address}:{layout.desk_port}/announcements",
    }
    for name, value in kept.items():
        _write(layout.folder / "secrets" / name, f"{value}\n", 0o600)
    _write(layout.settings, settings_text(layout), 0o644)


def _write_server(layout: Layout, drawn: Secrets, images: dict[str, str], tag: str) -> None:
    _write(layout.server / "docker-compose.yml", compose_file("server", images, layout.address), 0o644)
    _write(layout.env_file, env_text(layout, drawn, tag), 0o640)


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file that has its mode from the first byte on, whatever the umask."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        os.fchmod(opened.fileno(), mode)
        opened.write(text)


def compose_file(which: str, images: dict[str, str], address: str = "127.0.0.1") -> str:
    """Return the Compose file of `server` or `outside`, with the shared images and the address of the ports."""
    text = (HERE / which / "docker-compose.yml").read_text().replace("127.0.0.1:", f"{address}:")
    for part, reference in images.items():
        text = text.replace(f'"@{part}@"', reference)
    return text


def env_text(layout: Layout, drawn: Secrets, tag: str) -> str:
    """Return the team's env file, which has grown over the years as such files do."""
    password = quote(drawn.database_password, safe="")
    return f"""\
# Production of the shop. CI writes IMAGE_TAG; for anything else ask the platform team first.
COMPOSE_PROJECT_NAME={layout.name}

# --- release ---
REGISTRY={layout.registry}
#IMAGE_TAG=2025-12-11-rc2
IMAGE_TAG={tag}  # set by CI on every deploy

export GATEWAY_PORT={layout.gateway_port}

# --- database (password rotated 2025-11-03; it has signs in it, keep the single quotes!) ---
POSTGRES_PASSWORD='{drawn.database_password}'
DATABASE_URL="postgresql+psycopg://shop:{password}@db:5432/shop"


# --- tokens ---
METRICS_TOKEN={drawn.metrics_token}
USER_TOKEN="{drawn.user_token}"   # customers' back office

EXPORT_MODE=on
"""


def outside_env_text(layout: Layout, drawn: Secrets) -> str:
    """Return the env file of the outside world."""
    return f"""\
COMPOSE_PROJECT_NAME={layout.name}-outside
REHEARSAL={layout.name}
FOLDER='{layout.folder}'
REGISTRY_PORT={layout.registry_port}
REGISTRY_USER={DEPLOYER}
REGISTRY_PASSWORD={drawn.registry_password}
DESK_PORT={layout.desk_port}
DESK_USER={ANNOUNCER}
DESK_PASSWORD={drawn.announce_password}
TICKET_TOKEN={drawn.ticket_token}
"""


def docker_config_text(layout: Layout, drawn: Secrets, plugin_dirs: Sequence[Path]) -> str:
    """Return docker's client configuration: the registry's password, and the folders of the compose plugin."""
    login = base64.b64encode(f"{DEPLOYER}:{drawn.registry_password}".encode()).decode()
    config: dict[str, object] = {"auths": {layout.registry: {"auth": login}}}
    if plugin_dirs:
        config["cliPluginsExtraDirs"] = [str(folder) for folder in plugin_dirs]
    return json.dumps(config, indent=2) + "\n"


def settings_text(layout: Layout) -> str:
    """Return the runbook's settings for this production, as a user would write them."""
    environment = {"DOCKER_CONFIG": str(layout.docker_config)}
    if "DOCKER_HOST" in os.environ and layout.ssh_config is None:
        environment["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
    variables = ", ".join(f"{name} = {json.dumps(value)}" for name, value in environment.items())

    over_ssh = f"ssh_config = {json.dumps(str(layout.ssh_config))}\n"
    over_ssh = over_ssh if layout.others else f'address = "ssh://deploy@shop-1"\n{over_ssh}'
    reached = over_ssh if layout.ssh_config else ""
    several = "".join(
        f'  {{ address = "ssh://deploy@shop-{each.number}", directory = {json.dumps(str(each.server))},'
        f' public_url = "http://{each.address}:{each.gateway_port}" }},\n'
        for each in (layout, *layout.others)
    )

    def secret(name: str) -> str:
        return json.dumps(str(layout.folder / "secrets" / name))

    return f"""\
{f"hosts = [{chr(10)}{several}]{chr(10)}" if layout.others else ""}[project]
name = "{layout.name}"
directory = {json.dumps(str(layout.server))}
compose_files = ["docker-compose.yml"]
env_file = ".env"
tag_variable = "IMAGE_TAG"
services = ["api", "jobs"]

[host]
{reached}environment = {{ {variables} }}

[registry]
url = "http://{layout.registry}"
username = "{DEPLOYER}"
password = {{ file = {secret("registry_password")} }}

[database]
service = "db"
user = "shop"
name = "shop"
{'hosts = "each"' if layout.others else ""}
[migrations]
service = "api"
config = "alembic.ini"

[traffic]
public_url = "http://{layout.address}:{layout.gateway_port}"
check_path = "/orders"
release_header = "X-Release"
pause = {{ service = "gateway", command = ["gate", "close"] }}
resume = {{ service = "gateway", command = ["gate", "open"] }}
state = {{ service = "gateway", command = ["gate", "state"] }}
hold = {{ service = "gateway", command = ["gate", "hold"] }}
hold_seconds = 20
follows = "addresses"

[health]
service = "api"
port = 8000
liveness_path = "/healthz"
readiness_path = "/readyz"

[metrics]
path = "/metrics"
token = {{ env_file = "METRICS_TOKEN" }}

[logs]
services = ["api", "jobs"]

[switches.exports]
variable = "EXPORT_MODE"
services = ["api", "jobs"]
paths = ["/exports/orders.csv", "/reports/daily"]
credential = {{ env_file = "USER_TOKEN" }}
owner = "the team that owns orders"
remind_after = "24h"

[announcement]
url = {{ file = {secret("announce_url")} }}

[ticket]
api_url = "http://{layout.address}:{layout.desk_port}/api/v3"
repository = "shop/shop"
token = {{ file = {secret("ticket_token")} }}
labels = ["rollback"]

[incident_log]
file = "incidents.md"
"""
