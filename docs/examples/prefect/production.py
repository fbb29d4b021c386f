"""Raises a production of Prefect's server on this machine, deploys to it, and takes it down again.

    .venv/bin/python -m docs.examples.prefect.production up FOLDER             Prefect 3.8.8
    .venv/bin/python -m docs.examples.prefect.production deploy FOLDER 3.9.1
    .venv/bin/python -m docs.examples.prefect.production down FOLDER

FOLDER is new; the Compose project is called as it is, and so is the label on everything that is made. PostgreSQL, the
image registry and the desk that takes announcements and tickets are those of the rehearsals.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from string import Template
from urllib.parse import quote

import httpx

from rehearsal.docker_host.cleanup import remove_rehearsal
from rehearsal.docker_host.engine import Engine, plugin_dirs
from rehearsal.docker_host.labels import REHEARSAL
from rehearsal.docker_host.ports import free_ports
from rehearsal.errors import RehearsalError
from rehearsal.images.build import build
from rehearsal.images.packages import fetch_packages
from rehearsal.images.parts import BASE_IMAGE, MACHINES, SHARED, build_parts, content_hash, plan_parts
from rehearsal.releases import LEFT_OUT, make_readable
from rehearsal.server_files import (
    ANNOUNCER,
    Layout,
    Secrets,
    compose_file,
    docker_config_text,
    outside_env_text,
)
from rehearsal.stages import Stages

HERE = Path(__file__).parent
FIRST = "3.8.8"
COMPOSE_FILES = ("deploy/compose.yaml", "deploy/compose.production.yaml")
ENV_FILE = "production.env"
READY_WITHIN = 120.0  # seconds
HTTP_OK = HERE.parents[2] / "rehearsal" / "parts" / "runtime" / "bin" / "http-ok"


def main(arguments: list[str]) -> int:
    """Do what the words say; 2 where they say nothing that is known."""
    match arguments:
        case ["up", folder]:
            up(Path(folder).resolve())
        case ["deploy", folder, tag]:
            deploy(Path(folder).resolve(), tag)
        case ["down", folder]:
            down(Path(folder).resolve())
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


def up(folder: Path) -> None:
    """Raise everything in a new folder, with the first release live. Raises RehearsalError."""
    say = Stages(partial(print, flush=True))
    folder.mkdir()
    public, registry, desk = free_ports(3)
    layout, drawn = Layout(folder, public, registry, desk), Secrets.draw()
    plan = plan_parts(Engine(folder))
    engine = _engine(folder)
    build_parts(engine, plan, layout.name, say)
    _write_outside(layout, drawn, plan.tags)
    engine.compose(layout.outside, "up", "--detach")
    shutil.copytree(HERE / "server", layout.server)
    (layout.server / "gate").mkdir()
    nginx = _part(engine, "nginx", BASE_IMAGE)
    _write_env_file(layout, drawn, {"DATABASE_IMAGE": plan.tags["database"], "NGINX_IMAGE": nginx})
    deploy(folder, FIRST)
    say(f"settings: {layout.settings}")


def deploy(folder: Path, tag: str) -> None:
    """Build a release from PyPI, push it, and bring it up as the team does. Raises RehearsalError."""
    say, engine, server = Stages(partial(print, flush=True)), _engine(folder), folder / "server"
    variables = dict(line.split("=", 1) for line in (server / ENV_FILE).read_text().splitlines() if "=" in line)
    image = f"{variables['REGISTRY']}/prefect/server:{tag}"
    if engine.image_id(image) is None:
        _publish(engine, image, tag, folder.name)
        say(f"{tag}: built, and pushed to the registry")
    before, after = (f"PREFECT_TAG={each}\r\n".encode() for each in (variables["PREFECT_TAG"], tag))
    (server / ENV_FILE).write_bytes((server / ENV_FILE).read_bytes().replace(before, after))
    compose(folder, "up", "--detach", "--quiet-pull")
    _wait_for(f"http://127.0.0.1:{variables['PUBLIC_PORT']}/api/admin/version", tag)
    say(f"{tag}: serves users")


def down(folder: Path) -> None:
    """Remove everything that was made. Raises RehearsalError."""
    engine = Engine(folder / "docker-config")
    with suppress(RehearsalError):
        compose(folder, "down", "--volumes", "--timeout", "2")
    remove_rehearsal(engine, folder.name)
    shutil.rmtree(folder)


def compose(folder: Path, *arguments: str) -> None:
    """Type `docker compose` in the server's folder, as the team does. Raises RehearsalError."""
    files = [word for file in COMPOSE_FILES for word in ("-f", file)]
    _engine(folder).compose(
        folder / "server", "--project-directory", ".", *files, "--env-file", ENV_FILE, *arguments, timeout=300
    )


def _engine(folder: Path) -> Engine:
    return Engine(folder / "docker-config")


def _part(engine: Engine, name: str, base: str) -> str:
    """The reference of an image that stays for the next time, named by what it is made of; built if it is missing."""
    source = HERE / "images" / name
    reference = f"rollback-runbook/prefect-{name}:{content_hash([source, SHARED], str(engine.image_id(base)))}"
    if engine.image_id(reference) is None:
        with tempfile.TemporaryDirectory(prefix="prefect-") as temporary:
            context = Path(temporary)
            for part in (source, SHARED):
                shutil.copytree(part, context, ignore=LEFT_OUT, dirs_exist_ok=True)
            if (source / "requirements.lock").exists():
                fetch_packages(source / "requirements.lock", context / "site", MACHINES[engine.architecture()])
            make_readable(context)
            build(engine, context, reference, [("--build-arg", f"BASE={base}")])
    return reference


def _publish(engine: Engine, image: str, tag: str, owner: str) -> None:
    """Build a release and push it; the local copy goes, so that production must pull."""
    with tempfile.TemporaryDirectory(prefix="prefect-") as temporary:
        context = Path(temporary)
        shutil.copytree(HERE / "images" / "release", context, dirs_exist_ok=True)
        shutil.copy(HTTP_OK, context)
        fetch_packages(HERE / "releases" / f"{tag}.lock", context / "site", MACHINES[engine.architecture()])
        make_readable(context)
        packages = _part(engine, "packages", BASE_IMAGE)
        build(engine, context, image, [("--build-arg", f"BASE={packages}"), ("--label", f"{REHEARSAL}={owner}")])
    engine.docker("push", "--quiet", image, timeout=300)
    engine.docker("image", "rm", image)


def _write_outside(layout: Layout, drawn: Secrets, images: dict[str, str]) -> None:
    """Write what the world outside production reads, docker's login, and the runbook's settings with their secrets."""
    secrets = layout.folder / "secrets"
    for private in (layout.docker_config, layout.outside, secrets):
        private.mkdir(mode=0o700)
    (layout.outside / "docker-compose.yml").write_text(compose_file("outside", images))
    (layout.outside / ".env").write_text(outside_env_text(layout, drawn))
    (layout.docker_config / "config.json").write_text(docker_config_text(layout, drawn, plugin_dirs()))
    (secrets / "registry_password").write_text(drawn.registry_password)
    (secrets / "ticket_token").write_text(drawn.ticket_token)
    desk = f"json://{ANNOUNCER}:{drawn.announce_password}@127.0.0.1:{layout.desk_port}/announcements"
    (secrets / "announce_url").write_text(desk)
    places = {
        "name": layout.name, "server": layout.server, "docker_config": layout.docker_config, "secrets": secrets,
        "registry": layout.registry, "public_port": layout.gateway_port, "desk_port": layout.desk_port,
    }  # fmt: skip
    layout.settings.write_text(Template((HERE / "runbook.toml").read_text()).substitute(places))


def _write_env_file(layout: Layout, drawn: Secrets, images: Mapping[str, str]) -> None:
    """Write the team's env file, which somebody once saved on Windows."""
    password = quote(drawn.database_password, safe="")
    lines = [
        f"COMPOSE_PROJECT_NAME={layout.name}",
        f"REGISTRY={layout.registry}",
        f"PREFECT_TAG={FIRST}",
        f"PUBLIC_PORT={layout.gateway_port}",
        *(f"{name}={reference}" for name, reference in images.items()),
        "# The password has signs in it: keep the quotes.",
        f"POSTGRES_PASSWORD='{drawn.database_password}'",
        f"DATABASE_URL=postgresql+asyncpg://prefect:{password}@db:5432/prefect",
        "MIGRATE_ON_START=true",
        f"METRICS_TOKEN={drawn.metrics_token}",
    ]
    (layout.server / ENV_FILE).write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def _wait_for(url: str, tag: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    seen = ""
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            answer = httpx.get(url, timeout=5, trust_env=False)
            seen = f"HTTP {answer.status_code} {answer.text[:100]}"
            if answer.status_code == httpx.codes.OK and answer.json() == tag:
                return
        time.sleep(0.5)
    raise RehearsalError(f"expected {tag} at {url} within {READY_WITHIN:.0f} s, saw {seen or 'no answer'}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RehearsalError as error:
        sys.exit(str(error))
