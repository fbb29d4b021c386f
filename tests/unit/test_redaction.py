"""Redaction: a secret is recognised by its value, plain or encoded, wherever it turns up."""

import base64
import json
import re
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runbook.incident.redaction import Redactor, looks_secret, secrets_in

CANARY = "k@n\"ä\\ry/4711 +%<&>~!'(=)?"
LABEL = "[secret CANARY]"

Encoding = Callable[[str], str]


def go_json(text: str) -> str:
    """As Go writes JSON, and so every part of Docker: with <, > and & escaped, and nothing else that it need not."""
    escaped = json.dumps(text, ensure_ascii=False)[1:-1]
    for sign in "<>&\u2028\u2029":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    return escaped


def lower_hex(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda code: code.group().lower(), text)


def upper_hex(text: str) -> str:
    return re.sub(r"\\u[0-9a-f]{4}", lambda code: "\\u" + code.group()[2:].upper(), text)


def base64_between(before: bytes, after: bytes, encode: Callable[[bytes], bytes]) -> Encoding:
    return lambda text: encode(before + text.encode() + after).decode()


ENCODINGS: dict[str, Encoding] = {
    "plain": str,
    "url-python": quote,
    "url-everything": lambda text: quote(text, safe=""),
    "url-form": quote_plus,
    "url-lower-case": lambda text: lower_hex(quote(text, safe="")),
    "url-form-lower-case": lambda text: lower_hex(quote_plus(text)),
    "url-javascript-component": lambda text: quote(text, safe="!'()*"),
    "url-javascript-whole": lambda text: quote(text, safe="!#$&'()*+,/:;=?@"),
    "url-go-path": lambda text: quote(text, safe="$&+=:@"),
    "url-go-password": lambda text: quote(text, safe="$&+,;="),
    "url-httpx-query": lambda text: str(httpx.QueryParams({"q": text}))[2:],
    "url-urlencode": lambda text: urlencode({"q": text})[2:],
    "json-ascii": lambda text: json.dumps(text)[1:-1],
    "json-ascii-upper-case": lambda text: upper_hex(json.dumps(text)[1:-1]),
    "json-unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json-escaped-slash": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json-go": go_json,
    "json-in-json": lambda text: json.dumps(json.dumps(text))[1:-1],
    "json-in-json-in-json": lambda text: json.dumps(json.dumps(json.dumps(text)))[1:-1],
    "shell": shlex.quote,
    "python": lambda text: repr(text)[1:-1],
    "python-bytes": lambda text: repr(text.encode())[2:-1],
    "base64": base64_between(b"", b"", base64.b64encode),
    "base64-after-1": base64_between(b"x", b"tail", base64.b64encode),
    "base64-after-2": base64_between(b"\xff\xfe", b"t", base64.b64encode),
    "base64-after-3": base64_between(b"u:\x00", b"", base64.b64encode),
    "base64-basic-auth": base64_between(b"deploy:", b"", base64.b64encode),
    "base64-urlsafe": base64_between(b"\xfb\xff", b"??>", base64.urlsafe_b64encode),
    "base64-urlsafe-unpadded": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
}
each_encoding = pytest.mark.parametrize("encode", [pytest.param(how, id=name) for name, how in ENCODINGS.items()])


def knowing(**secrets: str) -> Redactor:
    redactor = Redactor()
    redactor.learn_all(secrets.items())
    return redactor


def hidden_in_base64(text: str, secret: bytes) -> bool:
    """Whether any stretch of `text`, read as base64 from any of its characters, holds `secret`."""
    for run in re.findall(r"[A-Za-z0-9+/_-]+", text):
        plain = run.replace("-", "+").replace("_", "/")
        for start in range(4):
            rest = plain[start:]
            whole = rest[: len(rest) - len(rest) % 4]
            if secret in base64.b64decode(whole):
                return True
    return False


@each_encoding
def test_canary_is_struck_out_in_every_encoding(encode: Encoding) -> None:
    """A secret full of signs is struck out in each way in which programs write it."""
    encoded = encode(CANARY)
    struck = knowing(CANARY=CANARY).text(f"before {encoded} after")
    assert encoded not in struck
    assert LABEL in struck
    assert struck.startswith("before ")
    assert struck.endswith(" after")
    assert not hidden_in_base64(struck, CANARY.encode())


PRINTABLE = st.characters(categories=("L", "N", "P", "S"), include_characters=" ")
SECRETS = st.text(PRINTABLE, min_size=6, max_size=24).filter(lambda text: len(" ".join(text.split())) >= 6)


@settings(max_examples=300, deadline=None)
@given(
    secret=SECRETS,
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    name=st.sampled_from(sorted(ENCODINGS)),
)
def test_no_secret_survives(secret: str, before: str, after: str, name: str) -> None:
    """Whatever the secret, the text around it and the encoding: what was encoded is not there any more."""
    encoded = ENCODINGS[name](secret)
    # What the label or the surroundings say by themselves is no leak.
    assume(encoded not in before + LABEL + after)
    struck = knowing(CANARY=secret).text(before + encoded + after)
    assert encoded not in struck
    if name.startswith("base64"):
        assume(not hidden_in_base64(before + LABEL + after, secret.encode()))
        assert not hidden_in_base64(struck, secret.encode())


@settings(max_examples=200, deadline=None)
@given(secret=SECRETS, text=st.text(st.sampled_from("abcdefgh 0123-_/=%+\\\n"), max_size=200))
def test_other_text_stays(secret: str, text: str) -> None:
    """Text without the secret is not touched."""
    assume(not any(part in text for part in secret.split()))
    assume(not any(encode(secret) in text for encode in ENCODINGS.values()))
    assert knowing(CANARY=secret).text(text) == text


@each_encoding
def test_keys_and_nested_values_are_struck_out(encode: Encoding) -> None:
    """In a JSON-like value the secret is found in keys, in lists, and at any depth; what is no text stays."""
    encoded = encode(CANARY)
    value = {"a": [{encoded: (1, f"x{encoded}")}], encoded: {"deep": [[encoded]]}, "n": 7, "none": None, "yes": True}
    struck = knowing(CANARY=CANARY).value(value)
    assert encoded not in json.dumps(struck, ensure_ascii=False)
    assert CANARY not in str(struck)
    assert (struck["n"], struck["none"], struck["yes"]) == (7, None, True)


def test_label_names_the_variable() -> None:
    """In the secret's place stands which one it was."""
    assert knowing(METRICS_TOKEN="abcdef123").text("Bearer abcdef123") == "Bearer [secret METRICS_TOKEN]"


def test_password_of_a_url_is_a_secret() -> None:
    """A URL with a password teaches the password too, as it stands there and decoded."""
    redactor = Redactor()
    redactor.learn_all(secrets_in({"DATABASE_URL": "postgresql://shop:p%40ssw0rd-1@db/shop"}))
    assert redactor.text("p%40ssw0rd-1") == "[secret DATABASE_URL]"
    assert redactor.text("password is p@ssw0rd-1") == "password is [secret DATABASE_URL]"
    assert redactor.text("postgresql://shop@db/shop") == "postgresql://shop@db/shop"


def test_secret_url_teaches_its_password() -> None:
    """A secret that is itself an address (the incident channel's, say) teaches the password in it."""
    redactor = knowing(CHANNEL="json://bot:s3cr3t-word@desk.example/announce")
    assert redactor.text("401 for bot with s3cr3t-word") == "401 for bot with [secret CHANNEL]"
    assert redactor.text("json://bot:s3cr3t-word@desk.example/announce") == "[secret CHANNEL]"


def test_longer_secret_is_struck_out_whole() -> None:
    """A secret that contains another one leaves nothing of itself behind, in whichever order they were learned."""
    text = "token is prefix-middle-suffix, and middle-"
    assert (
        knowing(SHORT="middle-", LONG="prefix-middle-suffix").text(text) == "token is [secret LONG], and [secret SHORT]"
    )
    assert (
        knowing(LONG="prefix-middle-suffix", SHORT="middle-").text(text) == "token is [secret LONG], and [secret SHORT]"
    )


@pytest.mark.parametrize("short", ["", "a", "shop", "12345", "      ", "a    b"], ids=repr)
def test_short_values_are_left_alone(short: str) -> None:
    """A value as short as an ordinary word is not struck out of everything."""
    text = "shop 12345 a b      c"
    assert knowing(TOKEN=short).text(text) == text


def test_line_of_a_secret_is_a_secret() -> None:
    """Of a secret with several lines (a private key) each line is struck out, since programs print line by line."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"
    redactor = knowing(SIGNING_KEY=key)
    assert "MIIEvQ" not in redactor.text("line 2: MIIEvQIBADANBgkq (bad)")
    assert "hkiG9w" not in redactor.text("E   hkiG9w0BAQEFAASC")


@pytest.mark.parametrize("joint", [" ", "\n", "\r\n", "\n                      ", "\\n", "%20", "+"], ids=repr)
def test_secret_over_several_lines_is_found_folded(joint: str) -> None:
    """A pass phrase is found when messages fold its white space or break it over lines."""
    struck = knowing(PHRASE="correct horse battery staple").text(
        f"said: {'correct horse battery staple'.replace(' ', joint)}."
    )
    assert struck == "said: [secret PHRASE]."


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD", "POSTGRES_PASSWORD", "PGPASSWORD", "db_passwd", "METRICS_TOKEN", "SECRET_KEY", "APP_SECRET",
        "AWS_SECRET_ACCESS_KEY", "API_KEY", "APIKEY", "STRIPE_KEY", "SENTRY_DSN", "GITHUB_TOKEN", "SESSION_COOKIE",
        "DB_CREDENTIALS", "SSH_PRIVATE_KEY", "PASSPHRASE", "REGISTRY_AUTH", "HASH_SALT",
    ],
)  # fmt: skip
def test_names_that_look_secret(name: str) -> None:
    """Variables whose names promise a secret are taken for secrets."""
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["IMAGE_TAG", "PATH", "HOME", "EXPORT_MODE", "PORT", "COMPOSE_PROJECT_NAME", "LANG", "PWD"]
)
def test_names_that_do_not(name: str) -> None:
    """Ordinary variables are not: their values belong in the record."""
    assert not looks_secret(name)


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("p\udce4ssword", id="as-python-keeps-it"),
        pytest.param("p\N{REPLACEMENT CHARACTER}ssword", id="as-output-is-decoded"),
        pytest.param("p%E4ssword", id="url-encoded"),
        pytest.param(json.dumps("p\udce4ssword")[1:-1], id="json"),
        pytest.param(base64.b64encode(b"p\xe4ssword").decode(), id="base64"),
    ],
)
def test_secret_that_is_not_utf8(shown: str) -> None:
    """A secret with a byte that is not UTF-8, as environments and env files may hold, is struck out like any other."""
    assert shown not in knowing(TOKEN=b"p\xe4ssword".decode(errors="surrogateescape")).text(f"x {shown} y")


def test_hostile_output_cannot_keep_the_search_busy() -> None:
    """Output made to resemble a secret with many escapes is searched as quickly as any other."""
    redactor = knowing(A='\\\\"\\\\"\\/"\\\\"x1' * 4, B="a \\ + % \\n \\ + b2", C='\\""' * 12)
    hostile = "\\" * 20000 + "a" + " \\+%20" * 5000 + '\\"' * 3000
    began = time.monotonic()
    assert redactor.text(hostile) == hostile
    assert time.monotonic() - began < 5


def test_url_that_cannot_be_read_teaches_nothing() -> None:
    """A value that only resembles a URL does no harm."""
    assert list(secrets_in({"A": "http://[broken", "B": "://", "C": "http://user@host"})) == []


def test_much_text_is_quick() -> None:
    """A log of some hundred kilobytes is searched for fifty secrets in the time of a sentence, not of an incident."""
    redactor = Redactor()
    redactor.learn_all((f"TOKEN_{n}", f"s3cr3t/{n}+value=with&signs {n}") for n in range(50))
    redactor.learn("SIGNING_KEY", "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7/+VJ"] * 40))
    log = '2025-12-18T03:00:00Z api-1 | GET /orders?page=2&x=%2F 500 s3cret aGVsbG8gd29ybGQ= {"a": "b\\n"}\n' * 3000
    began = time.monotonic()
    assert redactor.text(log + "s3cr3t/7+value=with&signs 7").endswith("[secret TOKEN_7]")
    assert time.monotonic() - began < 10
