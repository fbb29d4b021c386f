"""The host over SSH, on a real server: commands as on this machine, and lost connections."""

import gc
import os
import re
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from runbook.errors import (
    CommandFailed,
    CommandSaidTooMuch,
    CommandTimedOut,
    ConnectionLost,
    EngineError,
    HostError,
    NoAnswer,
    Why,
)
from runbook.hosts.command import Begun, Command
from runbook.hosts.http import HttpClient
from runbook.hosts.local import LocalHost
from runbook.hosts.ssh.connection import Connection
from runbook.hosts.ssh.host import SshHost
from runbook.incident.executor import Executor, Mode
from runbook.incident.orphaned_command import settle
from runbook.journal.journal import Journal
from runbook.secrets.redactor import Redactor
from tests.support.parts import Heard, Reply, serving
from tests.support.ssh_server import SshServer, needs_sshd, ssh_server

pytestmark = needs_sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "s") as found:
        yield found


@pytest.fixture
def connection(server: SshServer) -> Iterator[Connection]:
    with server.connection() as found:
        yield found


def running(words: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^{words}$"], capture_output=True, check=False).returncode == 0


def wait_until(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_it_is_as_on_this_machine(connection: Connection) -> None:
    """Exit code, both streams, standard input, directory and environment are the same locally and over SSH."""
    command = Command(("sh", "-c", 'pwd; cat; echo "$X $LC_ALL" >&2; exit 3'), 10, "/usr", stdin=b"in\0put\n")
    told: list[Heard] = [Heard(), Heard()]
    near = LocalHost({"X": "it's é"}, told[0]).run(command)
    far = SshHost(connection, {"X": "it's é"}, told[1]).run(command)
    assert replace(far, seconds=0) == replace(near, seconds=0)
    assert [each.began for each in told] == [[command], [command]]
    assert [len(each.ended) for each in told] == [1, 1]


def test_variables_of_this_machine_do_not_reach_it(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables exported on this machine (a tag, another engine) do not reach commands on the host."""
    monkeypatch.setenv("IMAGE_TAG", "exported-by-somebody")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere")
    names = SshHost(connection, {}, Heard()).run(Command(("env",), 10)).text
    assert "IMAGE_TAG" not in names
    assert "DOCKER_HOST" not in names
    assert "SSH_CONNECTION" not in names


def test_secrets_are_in_no_argv(connection: Connection) -> None:
    """Environment and standard input are never in a process's arguments, neither here nor on the host."""
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(path.read_bytes().decode(errors="replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    host = SshHost(connection, {"PASSWORD": "geheim-4711"}, Heard())
    for _ in range(5):
        host.run(Command(("sh", "-c", 'cat; echo "$PASSWORD"; sleep 0.1'), 10, stdin=b"geheim-4712"))
    over.set()
    thread.join()
    assert len(seen) > 100
    told = "\n".join(seen)
    assert "geheim" not in told
    assert "Z2VoZWlt" not in told  # the same in base64


def test_large_input_and_output(connection: Connection) -> None:
    """Megabytes pass in both directions."""
    content = os.urandom(3_000_000)
    assert SshHost(connection, {}, Heard()).run(Command(("cat",), 60, stdin=content)).stdout == content


def test_input_that_is_not_read(connection: Connection) -> None:
    """A command may end without reading its input."""
    assert SshHost(connection, {}, Heard()).run(Command(("true",), 20, stdin=bytes(1_000_000))).exit_code == 0


def test_deadline(connection: Connection) -> None:
    """At its deadline a command and its children are stopped on the host, and its cleanup runs."""
    heard = Heard()
    command = Command(("sh", "-c", "sleep 4712 & sleep 4712"), 1, if_stopped=("echo", "cleaned"))
    with pytest.raises(CommandTimedOut, match="within 1 s and was stopped"):
        SshHost(connection, {}, heard).run(command)
    wait_until(lambda: not running("sleep 4712"))
    assert heard.ended[-1].stdout == b"cleaned\n"


def test_too_much_output(connection: Connection) -> None:
    """A command that prints too much is stopped on the host."""
    with pytest.raises(CommandSaidTooMuch):
        SshHost(connection, {}, Heard()).run(Command(("yes", "4713"), 20, most_output=100_000))
    assert not running("yes 4713")


@pytest.mark.parametrize("code", [1, 124, 137, 255])
def test_failed_command_is_no_lost_connection(connection: Connection, code: int) -> None:
    """A command's exit codes 255 (also ssh's own) and 124 (also timeout's) are reported as the command's."""
    host = SshHost(connection, {}, Heard())
    assert host.run(Command(("sh", "-c", f"exit {code}"), 10)).exit_code == code
    with pytest.raises(CommandFailed, match=f"exit code {code}"):
        host.check(Command(("sh", "-c", f"exit {code}"), 10))


@pytest.mark.parametrize("command", [Command(("nonesuch",), 10), Command(("true",), 10, "/nonesuch")])
def test_what_is_not_there(connection: Connection, command: Command) -> None:
    """A missing program or directory is an error that names it and the host."""
    with pytest.raises(HostError, match=r"could not be started on ssh://\w+@shop-1: there is no /?nonesuch"):
        SshHost(connection, {}, Heard()).run(command)


def cut_by_server(server: SshServer, _heard: Heard) -> None:
    server.cut()


def cut_by_client(_server: SshServer, _heard: Heard) -> None:
    """Kill the ssh of the command and the ssh of the connection."""
    found = subprocess.run(["pgrep", "-f", f"^ssh -F {_server.config} "], capture_output=True, text=True, check=False)
    for word in found.stdout.split():
        os.kill(int(word), signal.SIGKILL)


@pytest.mark.parametrize("cut", [cut_by_server, cut_by_client])
def test_connection_is_lost(
    connection: Connection, server: SshServer, tmp_path: Path, cut: Callable[[SshServer, Heard], None]
) -> None:
    """A lost connection is not a failed command: the command ends on the host, runs once, and is cleaned up."""
    heard = Heard()
    host = SshHost(connection, {}, heard)
    script = f"echo once >> {tmp_path}/times; exec sleep 4714"
    command = Command(("sh", "-c", script), 60, if_stopped=("touch", str(tmp_path / "cleaned")))

    def when_it_works() -> None:
        wait_until((tmp_path / "times").exists)
        cut(server, heard)

    threading.Thread(target=when_it_works).start()
    with pytest.raises(ConnectionLost, match="it is no longer running there; its effect until then is unknown"):
        host.run(command)
    assert (tmp_path / "times").read_text() == "once\n"
    assert not running("sleep 4714")
    assert (tmp_path / "cleaned").exists()
    assert "was lost while" in heard.stopped[0][1]
    assert host.run(Command(("echo", "goes on"), 10)).text == "goes on\n"
    assert connection.made == 2


def test_command_that_was_not_begun_is_begun_over_a_new_connection(connection: Connection, server: SshServer) -> None:
    """A command that never reached the host is run over a new connection."""
    heard = Heard()
    host = SshHost(connection, {}, heard)
    host.run(Command(("true",), 10))
    server.cut()
    assert host.run(Command(("echo", "here"), 10)).text == "here\n"
    assert len(heard.began) == 2


def test_what_only_reads_is_asked_again(connection: Connection, server: SshServer) -> None:
    """A read whose connection was lost is repeated."""
    host = SshHost(connection, {}, Heard(), lambda: 30.0)
    times: list[int] = []

    def when_it_works() -> None:
        wait_until(lambda: running("sleep 4715"))
        server.cut()

    def once() -> str:
        times.append(1)
        if len(times) == 1:
            threading.Thread(target=when_it_works).start()
            return host.run(Command(("sleep", "4715"), 60)).text
        return host.run(Command(("echo", "seen"), 10)).text

    assert host.retry(once) == "seen\n"


def test_command_of_a_run_that_was_killed_is_found(connection: Connection, tmp_path: Path) -> None:
    """A killed run's command is found on the host by PID and start time, and stopped."""
    host = SshHost(connection, {}, Heard())
    process = subprocess.Popen(["sleep", "4716"], start_new_session=True)
    started = host.process_start(process.pid)
    assert started is not None
    journal = Journal(tmp_path / "journal.jsonl", Redactor())
    incident = Executor("i", Mode.EXECUTE, journal)
    with incident.acting():
        incident.command_began(Command(("sleep", "4716"), 0.5), Begun(process.pid, started, *host.machine()))
    reaper = threading.Thread(target=process.wait)
    reaper.start()
    settle(journal, lambda _text: None, host)
    reaper.join(20)
    assert journal.entries[-1]["how"] == "was stopped"
    assert not running("sleep 4716")


def test_command_that_heeds_nothing_is_killed_with_its_session(connection: Connection) -> None:
    """SIGKILL reaches all processes of a command's session, whatever their process group."""
    script = 'trap "" TERM; setsid sleep 1 & (trap "" TERM; exec sleep 4718) & sleep 4718'
    process = subprocess.Popen(["bash", "-mc", script], start_new_session=True)
    reaper = threading.Thread(target=process.wait)
    reaper.start()
    wait_until(lambda: running("sleep 4718"))
    SshHost(connection, {}, Heard()).signal(process.pid, signal.SIGKILL)
    reaper.join(20)
    wait_until(lambda: not running("sleep 4718"))


def test_it_names_the_machine_as_the_machine_does(connection: Connection) -> None:
    """The host has one identity locally and over SSH, so a run of either kind finds the other's processes."""
    far, near = SshHost(connection, {}, Heard()), LocalHost({}, Heard())
    assert far.machine() == near.machine()
    assert far.process_start(os.getpid()) == near.process_start(os.getpid())
    assert far.process_start(2**22 + 1) is None


def test_interrupted(connection: Connection) -> None:
    """Ctrl-C ends the command on the host before anything else is done."""
    main = threading.main_thread().ident or 0

    def interrupt() -> None:
        wait_until(lambda: running("sleep 4717"))
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        SshHost(connection, {}, Heard()).run(Command(("sleep", "4717"), 60))
    assert not running("sleep 4717")


def test_addresses_of_the_host(connection: Connection) -> None:
    """HTTP requests go out from the host; one refused there is reported as refused."""
    heard = Heard()
    http = HttpClient(5, heard, connection)
    with serving(lambda _: Reply(200, body=b"hello")) as found:
        assert http.get(f"{found.url}/x").body == "hello"
    with pytest.raises(NoAnswer) as caught:
        http.get("http://127.0.0.1:1/")
    assert caught.value.why is Why.REFUSED
    http.close()


def test_public_addresses_from_here(connection: Connection) -> None:
    """A public address is requested from this machine, one in the host's network through the host."""
    http = HttpClient(1, Heard(), connection, public_from_here=True)
    assert http._through("https://192.0.2.1/v2/", verify=True) is not http._client  # not a public one
    assert http._through("https://8.8.8.8/v2/", verify=True) is http._client
    assert http._through("http://localhost:5000/v2/", verify=False) is not http._unverified
    http.close()


def test_engine_through_the_connection(connection: Connection, tmp_path: Path) -> None:
    """The engine's socket is forwarded to a local socket that only this user can reach."""
    socket = tmp_path / "e.sock"
    server = subprocess.Popen(["python3", "-c", _ENGINE, str(socket)], stdout=subprocess.PIPE, start_new_session=True)
    try:
        wait_until(socket.exists)
        url = SshHost(connection, {"DOCKER_HOST": f"unix://{socket}"}, Heard()).engine_url()
        assert url.startswith("unix:///")
        with httpx.Client(transport=httpx.HTTPTransport(uds=url.removeprefix("unix://"))) as client:
            assert client.get("http://docker/_ping").text == "OK"
        assert Path(url.removeprefix("unix://")).parent.stat().st_mode & 0o777 == 0o700
    finally:
        server.kill()
        server.communicate()


_ENGINE = """
import socketserver, sys
from http.server import BaseHTTPRequestHandler
class Answer(BaseHTTPRequestHandler):
    def address_string(self): return "unix"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"OK")
socketserver.UnixStreamServer(sys.argv[1], Answer).serve_forever()
"""


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ({"DOCKER_HOST": "ssh://x"}, "'ssh://x', expected"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_TLS_VERIFY": "1"}, "'tcp://10.0.0.1:2376' with TLS, expected"),
    ],
)
def test_engine_that_cannot_be_forwarded(connection: Connection, given: dict[str, str], seen: str) -> None:
    """An engine at an ssh:// address or with TLS is refused with that address."""
    with pytest.raises(HostError, match=rf"the engine of ssh://\w+@shop-1 is at {seen}"):
        SshHost(connection, given, Heard()).engine_url()


def test_engine_whose_socket_is_gone(connection: Connection, tmp_path: Path) -> None:
    """A forwarded socket that is gone is an EngineError, and no socket is left open for Python to warn about."""
    host = SshHost(connection, {"DOCKER_HOST": f"unix://{tmp_path}/e.sock"}, Heard())
    Path(host.engine_url().removeprefix("unix://")).unlink()
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        with pytest.raises(EngineError, match="could not reach a Docker engine"):
            host.engine.version(10)
        gc.collect()
    assert [str(each.message) for each in complaints] == []


def test_engine_of_the_context(connection: Connection, tmp_path: Path) -> None:
    """The engine is the one that `docker` finds on the host: by its context, or the default socket."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "unix:///run/user/1000/$1-$2-${DOCKER_CONTEXT-current}.sock"\n')
    docker.chmod(0o755)
    (tmp_path / "config.json").write_text('{"auths": {}}')
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DOCKER_CONFIG": str(tmp_path)}
    assert SshHost(connection, given, Heard())._engine_of_context == "unix:///var/run/docker.sock"
    (tmp_path / "config.json").write_text('{"currentContext": "rootless"}')
    asked = "unix:///run/user/1000/context-inspect-"
    assert SshHost(connection, given, Heard())._engine_of_context == f"{asked}current.sock"
    named = given | {"DOCKER_CONTEXT": "other"}
    assert SshHost(connection, named, Heard())._engine_of_context == f"{asked}other.sock"


def test_engine_that_is_not_reached(connection: Connection, tmp_path: Path) -> None:
    """An unreachable engine is reported with the host's reason; the command to type has the host's address."""
    host = SshHost(connection, {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, Heard())
    with pytest.raises(EngineError) as caught:
        host.engine.version(10)
    assert re.search(
        rf"reach a Docker engine at ssh://\w+@shop-1: there is no socket {tmp_path}/none.sock", caught.value.seen
    )
    assert caught.value.next_step.endswith(f"docker --host {host.address} version")
