"""The practice production: started, deployed to as CI would, and taken down."""

import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rehearsal.docker_host.cleanup import remove_rehearsal
from rehearsal.docker_host.engine import Engine
from rehearsal.docker_host.locks import LOCK, try_lock, waiting_for
from rehearsal.docker_host.parallel import side_by_side
from rehearsal.docker_host.ports import demanded_port, free_ports
from rehearsal.docker_host.second_host import SecondHost
from rehearsal.env_file import set_tag
from rehearsal.errors import RehearsalError
from rehearsal.images.parts import build_parts, plan_parts
from rehearsal.images.publish import build_release, push_release
from rehearsal.server_files import Layout, Secrets, write_layout
from rehearsal.stages import Say, Stages

FOLDERS = ".rehearsals"
BUILD_TIMEOUT = 900.0  # seconds, all parts from scratch over a slow connection
PAUSE = 0.2  # seconds between two checks
OUTSIDE_TIMEOUT = 90.0  # seconds, on a busy machine
# The orders of customers before the incident, in every currency that the shop takes.
FIRST_ORDERS: list[dict[str, object]] = [
    {"customer": customer, "item": item, "quantity": quantity, "currency": currency}
    for customer, quantity, currency in (
        ("Ada", 1, "GBP"),
        ("Ben", 2, "EUR"),
        ("Chloé", 3, "CHF"),
        ("Dot", 1, "USD"),
    )
    for item in ("coffee", "mug", "kettle")
]


class PracticeProduction:
    """One rehearsal's production. While this object exists, `down` does not remove the rehearsal.

    `name`      the name of the rehearsal and of its Compose project, such as shop-3f2a
    `folder`    its working folder
    `server`    the production host's folder in it
    `settings`  the runbook's settings file in it
    `gateway_url`, `registry_url`, `desk_url`   its addresses on this machine
    `engine`    docker on this production's host
    `address`   the address of its ports
    `second`    the second host that it runs on; None if it runs on this one
    `others`    further hosts that it also runs on, each with its own database
    """

    def __init__(
        self,
        root: Path,
        say: Say,
        *,
        plugin_dirs: Sequence[Path] = (),
        gateway_port: int | None = None,
        remote: int = 0,
    ) -> None:
        """Reserve a name, ports and a folder below `root`/.rehearsals; nothing runs yet.

        `plugin_dirs` are additional folders in which docker finds its compose plugin. `remote` is the number of hosts,
        which are reached over SSH; with 0 it runs on this machine. Raises RehearsalError, and leaves nothing behind, if
        `gateway_port` is not available, no engine answers, or the base image is missing.
        """
        below = root.resolve() / FOLDERS
        self._plan = plan_parts(Engine(below))
        fixed = None if gateway_port is None else demanded_port(gateway_port)
        free = [port for port in free_ports(4) if port != fixed]
        self.stages = Stages(say)
        self._plugin_dirs = plugin_dirs
        self._secrets = Secrets.draw()
        self._published: set[str] = set()
        self.folder = _new_folder(below)
        self._lock = try_lock(self.folder / LOCK)
        self.second = self._second_host() if remote else None
        self.others = [
            SecondHost(self.folder / f"second-host-{n}", f"shop-{n}", self.second) for n in range(2, remote + 1)
        ]
        layout = Layout(self.folder, fixed or free[0], free[1], free[2])
        if self.second is not None:
            config = self.folder / "ssh_config" if self.others else self.second.ssh_config
            layout = replace(layout, address=self.second.address, ssh_config=config)
        others = [layout.beside(number, each.address) for number, each in enumerate(self.others, 2)]
        self._layout = replace(layout, others=tuple(others))
        self.name = self._layout.name
        self.server = self._layout.server
        self.address = self._layout.address
        self.settings = self._layout.settings
        self.gateway_url = f"http://{self._layout.address}:{self._layout.gateway_port}"
        self.registry_url = f"http://{self._layout.registry}"
        self.desk_url = f"http://{self._layout.address}:{self._layout.desk_port}"
        host = self.second.docker_host if self.second else None
        self.engine = Engine(self._layout.docker_config, hide=self._secrets.all(), host=host)
        #: The folder of each host's production, and the engine that runs it.
        self.engines = {self.server: self.engine}
        for beside, layout in zip(self.others, self._layout.others, strict=True):
            engine = Engine(layout.docker_config, hide=self._secrets.all(), host=beside.docker_host)
            self.engines[layout.server] = engine

    def raise_up(self, tag: str) -> None:
        """Start everything, with a release live, ready, and used by its first customers.

        On RehearsalError, everything that was started stays up.
        """
        write_layout(self._layout, self._secrets, self._plan.tags, tag=tag, plugin_dirs=self._plugin_dirs)
        self.engine.require_compose()
        lock = self.folder.parent / "build.lock"
        with waiting_for(lock, "builds images", self.stages, timeout=BUILD_TIMEOUT):
            # On this machine's engine, where the shared images are kept.
            local = Engine(self._layout.docker_config, hide=self._secrets.all())
            build_parts(local, self._plan, self.name, self.stages)
        if self.second is not None:
            for host, layout in zip((self.second, *self.others), (self._layout, *self._layout.others), strict=True):
                host.raise_up()
                host.load(local, list(self._plan.tags.values()))
                host.hand_over(layout.server, self._layout.docker_config)
                self.stages(f"the host {host.name} is up")
            if self.others:
                known = "".join(host.ssh_config.read_text() for host in (self.second, *self.others))
                (self.folder / "ssh_config").write_text(known)
        # These are independent. The push of the release needs the first two.
        side_by_side(
            self._open_outside,
            partial(self._build, tag),
            partial(self._compose, "up", "--detach", "--no-deps", "db", "gateway"),
        )
        self.stages("the registry, the desk, the gateway and the database are up")
        self._push(tag)
        self.deploy(tag)
        self.wait_ready(tag)
        self.place_orders()

    def deploy(self, tag: str) -> None:
        """Deploy a release as the team's CI does, in the same order. Does not wait for health.

        Raises RehearsalError.
        """
        self.publish(tag)
        for each in (self._layout, *self._layout.others):
            set_tag(each.env_file, tag)
        self._compose("pull", "--quiet", "api", "jobs")
        self._compose("run", "--rm", "--no-TTY", "api", "alembic", "upgrade", "head")
        self.stages(f"{tag}: pulled, and its migrations have run")
        self._compose("up", "--detach")
        self.stages(f"{tag}: deployed")

    def publish(self, tag: str) -> None:
        """Build a release and push it to the registry, unless it is there already. Deploys nothing.

        Raises RehearsalError.
        """
        if tag not in self._published:
            self._build(tag)
            self._push(tag)

    def wait_ready(self, tag: str, timeout: float = 60.0) -> None:
        """Wait until users get answers from that release and it reports ready. Raises RehearsalError."""

        def ready(url: str) -> str | None:
            for path in ("/readyz", "/orders"):
                answer = self.ask(path, url)
                if answer.status_code != httpx.codes.OK or answer.headers.get("X-Release") != tag:
                    return f"{path}: {answer.status_code} {answer.text[:200]}"
            return None

        for url in self.gateway_urls:
            self.wait_for(partial(ready, url), f"release {tag} ready", timeout)
        self.stages(f"{tag}: ready")

    def place_orders(self, orders: Sequence[dict[str, object]] = FIRST_ORDERS) -> list[dict[str, Any]]:
        """Place orders as customers do, at the public address, and return them as answered.

        Raises RehearsalError if an order is refused.
        """
        placed: list[dict[str, Any]] = []
        for order in orders:
            answer = self.post("/orders", order)
            if answer.status_code != httpx.codes.CREATED:
                raise RehearsalError(f"POST /orders: saw {answer.status_code}, expected 201", answer.text)
            placed.append(answer.json())
        self.stages(f"{len(orders)} orders placed")
        return placed

    @property
    def gateway_urls(self) -> list[str]:
        """The public address of each host."""
        return [f"http://{each.address}:{each.gateway_port}" for each in (self._layout, *self._layout.others)]

    def ask(self, path: str, url: str | None = None) -> httpx.Response:
        """Send a GET request to the public address. Raises httpx.HTTPError if no answer arrives within 5 seconds."""
        return httpx.get(f"{url or self.gateway_url}{path}", timeout=5, trust_env=False)

    def post(self, path: str, body: object) -> httpx.Response:
        """Send JSON to the public address. Raises httpx.HTTPError as `ask` does."""
        return httpx.post(f"{self.gateway_url}{path}", json=body, timeout=5, trust_env=False)

    def wait_for(self, observe: Callable[[], str | None], expected: str, timeout: float) -> None:
        """Call `observe` until it returns None instead of what it saw, for up to `timeout` seconds.

        A missing answer counts as an observation. Raises RehearsalError with the last one.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                seen = observe()
            except httpx.HTTPError as error:
                seen = f"no answer: {error}"
            if seen is None:
                return
            if time.monotonic() > deadline:
                hint = f"inspect it in {self.server}, and remove it with: script/rehearse --down {self.name}"
                raise RehearsalError(f"expected {expected} within {timeout:.0f} s, saw {seen}; {hint}")
            time.sleep(PAUSE)

    def addresses(self) -> list[str]:
        """Return the addresses of everything, one per line, for people who want to look around."""
        return [
            f"{self.name} is still up:",
            f"  production     {self.gateway_url}/orders",
            f"  its folder     {self.server}",
            f"  registry       {self.registry_url}",
            f"  announcements  {self.desk_url}/announcements",
            f"  its settings   {self.settings}",
            f"  validate it    .venv/bin/pytest features -m post_deploy --settings {self.settings}",
            f"  remove it      script/rehearse --down {self.name}",
        ]

    def take_down(self) -> None:
        """Remove everything of this rehearsal: containers, networks, volumes, image tags and the folder."""
        if self.second is None:
            remove_rehearsal(self.engine, self.name)
        else:
            for each in (self.second, *self.others):
                each.take_down()
        shutil.rmtree(self.folder)
        if self._lock:
            self._lock.close()
        self.stages(f"{self.name} is taken down")

    def _second_host(self) -> SecondHost:
        try:
            return SecondHost(self.folder / "second-host")
        except RehearsalError:
            if self._lock:
                self._lock.close()
            shutil.rmtree(self.folder)
            raise

    def _open_outside(self) -> None:
        self.engine.compose(self._layout.outside, "up", "--detach")

        def answers(url: str, status: int) -> str | None:
            seen = httpx.get(url, timeout=2, trust_env=False).status_code
            return None if seen == status else f"{url}: {seen}"

        self.wait_for(
            partial(answers, f"{self.registry_url}/v2/", 401), "the registry asking for a password", OUTSIDE_TIMEOUT
        )
        self.wait_for(partial(answers, f"{self.desk_url}/healthz", 200), "the desk answering", OUTSIDE_TIMEOUT)

    def _build(self, tag: str) -> None:
        registry, runtime = self._layout.registry, self._plan.tags["runtime"]
        build_release(self.engine, registry=registry, tag=tag, runtime=runtime, rehearsal=self.name)
        self.stages(f"{tag}: built")

    def _push(self, tag: str) -> None:
        push_release(self.engine, registry=self._layout.registry, tag=tag)
        self._published.add(tag)
        self.stages(f"{tag}: pushed to the registry")

    def _compose(self, *arguments: str) -> None:
        for server, engine in self.engines.items():
            engine.compose(server, *arguments)


def _new_folder(below: Path) -> Path:
    """Make a rehearsal's folder with an unused name."""
    below.mkdir(exist_ok=True)
    while True:
        folder = below / f"shop-{secrets.token_hex(2)}"
        try:
            folder.mkdir(mode=0o755)
        except FileExistsError:
            continue
        return folder
