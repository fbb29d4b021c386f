"""The answers of a fake `docker` for the values of an env file. It understands only the simplest lines.

Run as a script with docker's arguments, if Compose is not available. tests/engine compares the runbook with Compose.
"""

import json
import os
import sys
from itertools import pairwise
from pathlib import Path


def answer(arguments: list[str], document: str) -> str:
    """Return the project on standard input as Compose would print it. Its services use plain variable names only."""
    said: dict[str, str] = {}
    for option, path in pairwise(arguments):
        said |= values_in(Path(path).read_bytes()) if option == "--env-file" else {}
    said |= os.environ
    service = json.loads(document)["services"]["values"]
    found = {name: said[name].replace("$", "$$") if name in said else None for name in service["environment"]}
    return json.dumps({"services": {"values": {"environment": found}}})


def values_in(content: bytes) -> dict[str, str]:
    """Return every `NAME=VALUE` of the file. A line that is neither that nor a comment is an error."""
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
