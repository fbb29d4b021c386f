"""The redaction self-test: a made-up secret goes through every writer before anything real does."""

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from runbook.errors import RedactionError
from runbook.secrets.redactor import Redactor
from runbook.text import visible

#: Its name while it is known. It has blanks, so no variable can have it.
NAME = "canary of this run"


def refuse_leaks(redactor: Redactor, ways: Mapping[str, Callable[[Any], Any]]) -> None:
    """Send a random secret through each of `ways`, in every form of a secret, and forget it afterwards.

    `ways` maps a writer's name to a function that takes a JSON-like value and returns what would be written. Raises
    only RedactionError, when a writer shows the secret or fails.
    """
    word = secrets.token_hex(6)
    canary = f'{word}/"'
    with redactor.temporarily_knowing(NAME, canary):
        for way, write in ways.items():
            for form, (written, trace) in _forms(canary, word).items():
                value = {"list": [f"before {written} after", {written: 1}], f"key {written}": written}
                try:
                    shown = "\n".join(visible(text) for text in texts_in(write(value)))
                except Exception as error:  # noqa: BLE001 - any error is a failed test
                    raise _refusal(way, f"{type(error).__name__} during the test with a secret, {form}") from None
                if trace in shown:
                    raise _refusal(way, f"a secret was not replaced, {form}")


def _forms(canary: str, word: str) -> dict[str, tuple[str, str]]:
    # Each form, with the part of it that must not be shown.
    alone, in_header = (base64.b64encode(text.encode()).decode() for text in (canary, f"u:{canary}"))
    half = len(word) // 2
    return {
        "plain": (canary, word),
        "URL-encoded": (quote(canary, safe=""), word),
        "JSON-escaped": (json.dumps(canary), word),
        "in base64": (alone, alone[:12]),
        "behind a user's name in base64": (in_header, in_header[4:16]),
        "with colours in it": (f"\x1b[1m{canary[:half]}\x1b[31m{canary[half:]}\x1b[0m", word),
    }


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a JSON-like value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from texts_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts_in(item)


def _refusal(way: str, what: str) -> RedactionError:
    return RedactionError(
        f"redaction does not work: {what}, on its way to the {way}",
        "nothing was written or changed; undo the changes to the runbook's code or packages",
    )
