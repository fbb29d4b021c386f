"""Raises the production of an example on this machine, deploys to it, and takes it down again.

    .venv/bin/python -m docs.examples.production up EXAMPLE FOLDER
    .venv/bin/python -m docs.examples.production deploy EXAMPLE FOLDER TAG
    .venv/bin/python -m docs.examples.production down EXAMPLE FOLDER

EXAMPLE is django, flask or node. FOLDER is new, and everything that is made has its name as a label. PostgreSQL and the
image registry are those of the rehearsals.
"""

import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from rehearsal.docker_host.cleanup import remove_rehearsal
from rehearsal.docker_host.engine import Engine, plugin_dirs, run
from rehearsal.docker_host.labels import REHEARSAL
from rehearsal.docker_host.ports import free_ports
from rehearsal.errors import RehearsalError
from rehearsal.images.build import build
from rehearsal.images.packages import fetch_packages
from rehearsal.images.parts import BASE_IMAGE, MACHINES, SHARED, build_parts, content_hash, plan_parts
from rehearsal.releases import LEFT_OUT, make_readable
from rehearsal.server_files import Layout, Secrets, compose_file, docker_config_text, outside_env_text
from rehearsal.stages import Stages

HERE = Path(__file__).parent
READY_WITHIN = 60.0  # seconds
NPM_TIMEOUT = 300.0  # seconds


@dataclass(frozen=True)
class Example:
    """One example: where its application's image comes from, and how its team types `docker compose`."""

    name: str
    image: str
    first: str
    tag_variable: str
    env_file: str
    #: What docker compose is given before its command, where `{name}` is the folder's name.
    compose: tuple[str, ...]
    #: Images of Debian's packages, by the variable of the env file that names each.
    parts: dict[str, str]
    #: What answers 200 once the release is up.
    answers: str
    migrate: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """Where its files lie."""
        return HERE / self.name


EXAMPLES = {
    each.name: each
    for each in (
        Example(
            "django", "shop", "1.0", "APP_VERSION", ".env.prod", ("--env-file", ".env.prod"), {"NGINX_IMAGE": "nginx"},
            "/health/", ("web", "python3", "manage.py", "migrate", "--no-input"),
        ),
        Example(
            "flask", "board", "2024.1", "BOARD_RELEASE", "board.env",
            ("-p", "{name}-prod", "-f", "compose.yml", "-f", "compose.override.yml", "--env-file", "board.env"),
            {"CADDY_IMAGE": "caddy"}, "/ping", ("web", "python3", "-m", "flask", "db", "upgrade"),
        ),
        Example("node", "thumbs", "v6", "TAG", ".env", (), {}, "/"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Raised:
    """The production of one example in its folder."""

    example: Example
    folder: Path

    @property
    def server(self) -> Path:
        """The folder from which the team brings production up."""
        return self.folder / "server"

    @property
    def engine(self) -> Engine:
        """The engine, with this production's own login."""
        return Engine(self.folder / "docker-config")

    @property
    def variables(self) -> dict[str, str]:
        """What the env file says."""
        lines = (self.server / self.example.env_file).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def up(self) -> None:
        """Raise everything in a new folder, with the first release live. Raises RehearsalError."""
        say = Stages(partial(print, flush=True))
        self.folder.mkdir()
        public, registry, desk = free_ports(3)
        layout, drawn = Layout(self.folder, public, registry, desk), Secrets.draw()
        plan = plan_parts(Engine(self.folder))
        for private in (layout.docker_config, layout.outside):
            private.mkdir(mode=0o700)
        (layout.docker_config / "config.json").write_text(docker_config_text(layout, drawn, plugin_dirs()))
        build_parts(self.engine, plan, layout.name, say)
        (layout.outside / "docker-compose.yml").write_text(compose_file("outside", plan.tags))
        (layout.outside / ".env").write_text(outside_env_text(layout, drawn))
        self.engine.compose(layout.outside, "up", "--detach", "registry")
        shutil.copytree(self.example.folder / "server", self.server)
        lines = {
            "COMPOSE_PROJECT_NAME": self.folder.name,
            "REGISTRY": layout.registry,
            self.example.tag_variable: self.example.first,
            "PUBLIC_PORT": str(public),
            "DATABASE_IMAGE": plan.tags["database"],
            **{variable: self._part(part) for variable, part in self.example.parts.items()},
            "POSTGRES_USER": "shop",
            "POSTGRES_DB": "shop",
            "POSTGRES_PASSWORD": drawn.metrics_token,
            "DJANGO_SECRET_KEY": drawn.user_token,
            "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        }
        used = "".join(
            path.read_text() for path in (*self.server.glob("*.y*ml"), *self.example.folder.glob("app/*/settings.py"))
        )
        text = "".join(
            f"{name}={value}\n" for name, value in lines.items() if name in used or name.startswith("COMPOSE_")
        )
        (self.server / self.example.env_file).write_text(text)
        self.deploy(self.example.first)

    def deploy(self, tag: str) -> None:
        """Build a release, push it, migrate, and bring it up, as the team does. Raises RehearsalError."""
        say, now = Stages(partial(print, flush=True)), self.variables
        image = f"{now['REGISTRY']}/{self.example.image}:{tag}"
        if self.engine.image_id(image) is None:
            self._publish(image, tag)
            say(f"{tag}: built, and pushed to the registry")
        path, line = self.server / self.example.env_file, f"{self.example.tag_variable}="
        path.write_text(path.read_text().replace(line + now[self.example.tag_variable], line + tag))
        if self.example.migrate:
            self.compose("run", "--rm", "--quiet-pull", *self.example.migrate)
        self.compose("up", "--detach", "--quiet-pull")
        self._wait_for(f"http://127.0.0.1:{now['PUBLIC_PORT']}{self.example.answers}")
        say(f"{tag}: is up in {self.server}")

    def down(self) -> None:
        """Remove everything that was made. Raises RehearsalError."""
        with suppress(RehearsalError):
            self.compose("down", "--volumes", "--timeout", "2")
        remove_rehearsal(self.engine, self.folder.name)
        shutil.rmtree(self.folder)

    def compose(self, *arguments: str) -> str:
        """Type `docker compose` in the server's folder, as the team does. Raises RehearsalError."""
        given = [word.format(name=self.folder.name) for word in self.example.compose]
        return self.engine.compose(self.server, *given, *arguments, timeout=300)

    def _part(self, name: str) -> str:
        """The reference of an image that stays for the next time, named by what it is made of; built if missing."""
        source, engine = HERE / "images" / name, self.engine
        reference = (
            f"rollback-runbook/example-{name}:{content_hash([source, SHARED], str(engine.image_id(BASE_IMAGE)))}"
        )
        if engine.image_id(reference) is None:
            with tempfile.TemporaryDirectory(prefix="example-") as temporary:
                for part in (source, SHARED):
                    shutil.copytree(part, temporary, ignore=LEFT_OUT, dirs_exist_ok=True)
                make_readable(Path(temporary))
                build(engine, Path(temporary), reference, [("--build-arg", f"BASE={BASE_IMAGE}")])
        return reference

    def _publish(self, image: str, tag: str) -> None:
        """Build a release and push it; the local copy goes, so that production must pull."""
        engine, source = self.engine, self.example.folder
        with tempfile.TemporaryDirectory(prefix="example-") as temporary:
            context, app = Path(temporary), Path(temporary) / "app"
            shutil.copytree(source / "app", app, ignore=LEFT_OUT)
            if tag != self.example.first:
                shutil.copytree(source / "releases" / tag, app, dirs_exist_ok=True)
            if (lock := source / "requirements.lock").exists():
                recipe, base = "python", plan_parts(engine).tags["runtime"]
                fetch_packages(lock, context / "site", MACHINES[engine.architecture()])
            else:
                recipe, base = "thumbs", self._part("node")
                run(["npm", "ci", "--omit=dev"], timeout=NPM_TIMEOUT, environment=os.environ, folder=app)
            shutil.copytree(HERE / "images" / recipe, context, dirs_exist_ok=True)
            make_readable(context)
            labels = ("--label", f"{REHEARSAL}={self.folder.name}")
            build(engine, context, image, [("--build-arg", f"BASE={base}"), labels])
        engine.docker("push", "--quiet", image, timeout=300)
        engine.docker("image", "rm", image)

    def _wait_for(self, url: str) -> None:
        deadline, seen = time.monotonic() + READY_WITHIN, ""
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                seen = f"HTTP {httpx.get(url, timeout=5, trust_env=False).status_code}"
                # A release with a fault is up, too.
                if seen in ("HTTP 200", "HTTP 500"):
                    return
            time.sleep(0.5)
        raise RehearsalError(f"expected an answer at {url} within {READY_WITHIN:.0f} s, saw {seen or 'none'}")


def main(arguments: list[str]) -> int:
    """Do what the words say; 2 where they say nothing that is known."""
    match arguments:
        case ["up", name, folder] if name in EXAMPLES:
            Raised(EXAMPLES[name], Path(folder).resolve()).up()
        case ["deploy", name, folder, tag] if name in EXAMPLES:
            Raised(EXAMPLES[name], Path(folder).resolve()).deploy(tag)
        case ["down", name, folder] if name in EXAMPLES:
            Raised(EXAMPLES[name], Path(folder).resolve()).down()
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RehearsalError as error:
        sys.exit(str(error))
