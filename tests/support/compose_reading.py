"""What a made-up `docker` answers when it is asked for values of an env file: a reader of the plainest lines only.

Run by itself, with the arguments of `docker`, where Compose is not there; tests/engine holds the runbook to Compose.
"""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path


def answer(arguments: list[str], document: str) -> str:
    """The project on standard input as Compose would print it; its services ask for names alone."""
    said: dict[str, str] = {}
    for option, path in pairwise(arguments):
        said |= values_in(Path(path).read_bytes()) if option == "--env-file" else {}
    said |= os.environ
    service = json.loads(document)["services"]["values"]
    found = {name: said[name].replace("$", "$$") if name in said else None for name in service["environment"]}
    return json.dumps({"services": {"values": {"environment": found}}})


def values_in(content: bytes) -> dict[str, str]:
    """Every `NAME=VALUE` of the file; a line that is neither that nor a comment cannot be read."""
    found = {}
    for line in content.decode("utf-8-sig", errors="replace").splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if name and not name.startswith("#"):
            if not sign or (value[:1] in ("'", '"') and value[:1] != value[-1:]):
                raise ValueError(line)
            found[name.strip()] = value.partition(" #")[0].strip().strip("'\"")
    return found


if __name__ == "__main__":
    sys.stdout.write(answer(sys.argv[1:], sys.stdin.read()))
