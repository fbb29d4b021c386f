"""Redaction: a secret is recognised by its value, plain or encoded, wherever it is."""

import base64
import html
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

from runbook.secrets.redactor import Redactor, looks_secret, secrets_in
from runbook.text import visible
from tests.support.campaigns import examples

CANARY = "k@n\"ä\\ry/4711 +%<&>~!'(=)?"
LABEL = "[secret CANARY]"

Encoding = Callable[[str], str]


def go_json(text: str) -> str:
    """Return `text` as Go, and so Docker, writes it in JSON: <, > and & escaped, and nothing else without need."""
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
    "html": html.escape,
    "html-but-quotes": lambda text: html.escape(text, quote=False),
    "shell": shlex.quote,
    "python": lambda text: repr(text)[1:-1],
    "python-ascii": lambda text: ascii(text)[1:-1],
    "python-bytes": lambda text: repr(text.encode())[2:-1],
    "base64": base64_between(b"", b"", base64.b64encode),
    "base64-after-1": base64_between(b"x", b"tail", base64.b64encode),
    "base64-after-2": base64_between(b"\xff\xfe", b"t", base64.b64encode),
    "base64-after-3": base64_between(b"u:\x00", b"", base64.b64encode),
    "base64-basic-auth": base64_between(b"deploy:", b"", base64.b64encode),
    "base64-urlsafe": base64_between(b"\xfb\xff", b"??>", base64.urlsafe_b64encode),
    "base64-of-json": lambda text: base64.b64encode(json.dumps({"password": text}).encode()).decode(),
    "base64-in-json": lambda text: base64.b64encode(f"u:{text}".encode()).decode().replace("/", "\\/"),
    "base64-in-url": lambda text: quote(base64.b64encode(f"u:{text}".encode()).decode(), safe=""),
    "base64-urlsafe-unpadded": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
}
each_encoding = pytest.mark.parametrize("encode", [pytest.param(how, id=name) for name, how in ENCODINGS.items()])


def knowing(**secrets: str) -> Redactor:
    redactor = Redactor()
    redactor.learn_all(secrets.items())
    return redactor


def hidden_in_base64(text: str, secret: bytes) -> bool:
    """Return whether any part of `text`, read as base64 from any of its characters, holds `secret`."""
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
    """A secret full of special characters is redacted in every encoding that programs use."""
    encoded = encode(CANARY)
    struck = knowing(CANARY=CANARY).text(f"before {encoded} after")
    assert encoded not in struck
    assert LABEL in struck
    assert struck.startswith("before ")
    assert struck.endswith(" after")
    assert not hidden_in_base64(struck, CANARY.encode())


PRINTABLE = st.characters(categories=("L", "N", "P", "S"), include_characters=" ")
SECRETS = st.text(PRINTABLE, min_size=6, max_size=24).filter(lambda text: len(" ".join(text.split())) >= 6)


@settings(max_examples=examples(300), deadline=None)
@given(
    secret=SECRETS,
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    name=st.sampled_from(sorted(ENCODINGS)),
)
def test_no_secret_survives(secret: str, before: str, after: str, name: str) -> None:
    """No encoded secret is left, whatever the secret, the encoding and the text around it."""
    encoded = ENCODINGS[name](secret)
    # Text that the label or the surroundings have is no leak.
    assume(encoded not in before + LABEL + after)
    struck = knowing(CANARY=secret).text(before + encoded + after)
    assert encoded not in struck
    if name.startswith("base64"):
        assume(not hidden_in_base64(before + LABEL + after, secret.encode()))
        assert not hidden_in_base64(struck, secret.encode())


@settings(max_examples=examples(200), deadline=None)
@given(secret=SECRETS, text=st.text(st.sampled_from("abcdefgh 0123-_/=%+\\\n"), max_size=200))
def test_other_text_stays(secret: str, text: str) -> None:
    """Text without the secret stays unchanged."""
    assume(not any(part in text for part in secret.split()))
    assume(not any(encode(secret) in text for encode in ENCODINGS.values()))
    assert knowing(CANARY=secret).text(text) == text


@each_encoding
def test_keys_and_nested_values_are_struck_out(encode: Encoding) -> None:
    """In a JSON-like value secrets are redacted in keys, in lists and at any depth; other types stay."""
    encoded = encode(CANARY)
    value = {"a": [{encoded: (1, f"x{encoded}")}], encoded: {"deep": [[encoded]]}, "n": 7, "none": None, "yes": True}
    struck = knowing(CANARY=CANARY).value(value)
    assert encoded not in json.dumps(struck, ensure_ascii=False)
    assert CANARY not in str(struck)
    assert (struck["n"], struck["none"], struck["yes"]) == (7, None, True)


def test_label_names_the_variable() -> None:
    """The replacement for a secret names its variable."""
    assert knowing(METRICS_TOKEN="abcdef123").text("Bearer abcdef123") == "Bearer [secret METRICS_TOKEN]"


def test_password_of_a_url_is_a_secret() -> None:
    """The password in a URL is learned too, encoded and decoded."""
    redactor = Redactor()
    redactor.learn_all(secrets_in({"DATABASE_URL": "postgresql://shop:p%40ssw0rd-1@db/shop"}))
    assert redactor.text("p%40ssw0rd-1") == "[secret DATABASE_URL]"
    assert redactor.text("password is p@ssw0rd-1") == "password is [secret DATABASE_URL]"
    assert redactor.text("postgresql://shop@db/shop") == "postgresql://shop@db/shop"


def test_password_with_a_slash_is_learned() -> None:
    """The password in a URL is learned even if its slash was not encoded."""
    redactor = Redactor()
    redactor.learn_all(secrets_in({"DATABASE_URL": "postgres://shop:ab/s3cr3t@db/shop", "GIT": "https://deploy@h/x"}))
    assert redactor.text("deploy: ab/s3cr3t") == "deploy: [secret DATABASE_URL]"


def test_secret_url_teaches_its_password() -> None:
    """If a secret is a URL (such as the incident channel), its password is learned too."""
    redactor = knowing(CHANNEL="json://bot:s3cr3t-word@desk.example/announce")
    assert redactor.text("401 for bot with s3cr3t-word") == "401 for bot with [secret CHANNEL]"
    assert redactor.text("json://bot:s3cr3t-word@desk.example/announce") == "[secret CHANNEL]"


def test_longer_secret_is_struck_out_whole() -> None:
    """A secret that contains another one is redacted whole, in any order of learning."""
    text = "token is prefix-middle-suffix, and middle-"
    assert (
        knowing(SHORT="middle-", LONG="prefix-middle-suffix").text(text) == "token is [secret LONG], and [secret SHORT]"
    )
    assert (
        knowing(LONG="prefix-middle-suffix", SHORT="middle-").text(text) == "token is [secret LONG], and [secret SHORT]"
    )


@pytest.mark.parametrize("short", ["", "a", "shop", "12345", "      ", "a    b"], ids=repr)
def test_short_values_are_left_alone(short: str) -> None:
    """A value as short as an ordinary word is not redacted."""
    text = "shop 12345 a b      c"
    assert knowing(TOKEN=short).text(text) == text


def test_line_of_a_secret_is_a_secret() -> None:
    """Each line of a secret with several lines (a private key) is redacted."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"
    redactor = knowing(SIGNING_KEY=key)
    assert "MIIEvQ" not in redactor.text("line 2: MIIEvQIBADANBgkq (bad)")
    assert "hkiG9w" not in redactor.text("E   hkiG9w0BAQEFAASC")


@pytest.mark.parametrize("joint", [" ", "\n", "\r\n", "\n                      ", "\\n", "%20", "+"], ids=repr)
def test_secret_over_several_lines_is_found_folded(joint: str) -> None:
    """A pass phrase is found if its spaces are folded, encoded or broken over lines."""
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
        "MYSQL_PWD", "db_pwd", "JWT", "X_JWT", "HMAC", "HMAC_KEY", "FERNET_KEYS", "x-api-key",
        "GITHUB_PAT", "ADMIN_PW", "SLACK_WEBHOOK_URL",
        "CONNECTION_STRING", "DB_CONNSTR", "PEPPER",
    ],
)  # fmt: skip
def test_names_that_look_secret(name: str) -> None:
    """Variables with a secret's name count as secrets."""
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "IMAGE_TAG",
        "PATH",
        "HOME",
        "EXPORT_MODE",
        "PORT",
        "COMPOSE_PROJECT_NAME",
        "LANG",
        "PWD",
        "OLDPWD",
        "JWT_ISSUER",
        "MONKEY",
        "COMPAT",
    ],
)
def test_names_that_do_not(name: str) -> None:
    """Ordinary variables do not count as secrets, because their values belong in the record."""
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
    """A secret with a byte that is not UTF-8 is redacted like any other."""
    assert shown not in knowing(TOKEN=b"p\xe4ssword".decode(errors="surrogateescape")).text(f"x {shown} y")


def test_hostile_output_cannot_keep_the_search_busy() -> None:
    """Output made to resemble a secret with many escapes is searched within 5 s of CPU time."""
    redactor = knowing(A='\\\\"\\\\"\\/"\\\\"x1' * 4, B="a \\ + % \\n \\ + b2", C='\\""' * 12)
    hostile = "\\" * 20000 + "a" + " \\+%20" * 5000 + '\\"' * 3000
    began = time.process_time()
    assert redactor.text(hostile) == hostile
    assert time.process_time() - began < 5


def test_url_that_cannot_be_read_teaches_nothing() -> None:
    """A value that only resembles a URL teaches nothing, and is no error."""
    assert list(secrets_in({"A": "http://[broken", "B": "://", "C": "http://user@host"})) == []


@pytest.mark.parametrize(
    "value",
    [
        "host=db user=shop password=s3cret-word dbname=shop",
        "host=db password='s3cret-word'",
        "Server=db;Database=shop;User Id=sa;Password=s3cret-word;",
        "Server=db;Pwd = s3cret-word",
        "jdbc:postgresql://db/shop?user=shop&password=s3cret-word&ssl=true",
        "-Xmx1g -Dspring.datasource.password=s3cret-word",
        "postgres://shop:s3cret-word@db/shop",
    ],
)
def test_password_in_a_longer_value(value: str) -> None:
    """A password in a connection string, query or option is a secret, whatever its variable's name."""
    redactor = Redactor()
    redactor.learn_all(secrets_in({"DATABASE": value}))
    assert redactor.text("login with s3cret-word failed") == "login with [secret DATABASE] failed"


def test_much_text_is_quick() -> None:
    """A log of about 300 KB is searched for fifty secrets within 10 s of CPU time."""
    redactor = Redactor()
    redactor.learn_all((f"TOKEN_{n}", f"s3cr3t/{n}+value=with&signs {n}") for n in range(50))
    redactor.learn("SIGNING_KEY", "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7/+VJ"] * 40))
    log = '2025-12-18T03:00:00Z api-1 | GET /orders?page=2&x=%2F 500 s3cret aGVsbG8gd29ybGQ= {"a": "b\\n"}\n' * 3000
    began = time.process_time()
    assert redactor.text(log + "s3cr3t/7+value=with&signs 7").endswith("[secret TOKEN_7]")
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("hunter\x1b[31m2-secret\x1b[0m", id="coloured"),
        pytest.param("hu\x1b[01;31m\x1b[Knter2-secret\x1b[m\x1b[K", id="as-grep-marks-it"),
        pytest.param("hu\\u001b[31mnter2-secret", id="coloured-in-json"),
        pytest.param("\x00".join("hunter2-secret"), id="with-zero-bytes"),
        pytest.param("hunter2\u00ad-secret", id="soft-hyphen"),
        pytest.param("hunter2\u200b-se\u2060cret", id="without-width"),
    ],
)
def test_secret_is_not_put_together_again(written: str) -> None:
    """Invisible characters and colors in a secret do not hide it: without them it would be readable."""
    struck = knowing(TOKEN="hunter2-secret").text(f"a {written} b")
    assert visible(struck).startswith("a [secret TOKEN]")
    assert visible(struck).endswith(" b")


def test_colours_around_a_secret_stay() -> None:
    """Colors around a secret stay."""
    assert knowing(TOKEN="hunter2-secret").text("\x1b[31mhunter2-secret\x1b[0m") == "\x1b[31m[secret TOKEN]\x1b[0m"


def test_secret_within_a_colour_code_is_struck_out() -> None:
    """A secret of digits is redacted even inside a color code."""
    assert "123456" not in knowing(PIN_TOKEN="123456").text("\x1b[123456m")


def test_halves_of_a_character_are_one() -> None:
    """Surrogate halves, which the journal would join, are joined before the search."""
    assert "key" not in knowing(TOKEN="key-\N{KEY}-key").text("key-\ud83d\udd11-key")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\\n", "\napi-1  | ", "\n    "], ids=repr)
@pytest.mark.parametrize("width", [16, 64, 76])
def test_base64_over_several_lines(width: int, end: str) -> None:
    """Base64 is found when wrapped over lines, also with a log's name before each line."""
    secret = "correct-horse-battery-staple-and-some-more-words-to-fill-two-lines-of-it"
    encoded = base64.b64encode(f"deploy:{secret}".encode()).decode()
    wrapped = end.join(encoded[at : at + width] for at in range(0, len(encoded), width))
    struck = knowing(TOKEN=secret).text(f"x {wrapped} y")
    assert "[secret TOKEN]" in struck
    assert encoded[width : width + 8] not in struck


def test_secrets_that_overlap_leave_nothing() -> None:
    """If secrets overlap, no part of either is left."""
    assert knowing(A="abcdefgh", B="fghijklm").text("x abcdefghijklm y") == "x [secret A] y"


def test_bytes_that_are_not_utf8_may_become_one_character() -> None:
    """A secret is found if decoding made one character of several of its bytes."""
    secret = b"pass\xe6\xbcword".decode(errors="surrogateescape")
    assert "word" not in knowing(TOKEN=secret).text(b"pass\xe6\xbcword".decode(errors="replace"))


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("postgres://shop:pw@db/shop", "postgres://shop:[secret of a URL]@db/shop"),
        ("via https://ghp_abc@github.com/x.git", "via https://[secret of a URL]@github.com/x.git"),
        ("redis://:p%40ss@cache:6379/0", "redis://:[secret of a URL]@cache:6379/0"),
        ("amqp://a:b@c,amqp://d:e@f", "amqp://a:[secret of a URL]@c,amqp://d:[secret of a URL]@f"),
        (r"https:\/\/bot:pw@host", r"https:\/\/bot:[secret of a URL]@host"),
        ("ssh://git@host/x postgres://shop@db/shop", "ssh://git@host/x postgres://shop@db/shop"),
        ("http://127.0.0.1:8000/@me mail a@b.example", "http://127.0.0.1:8000/@me mail a@b.example"),
        ("https://t0k:x-oauth-basic@github.com/a", "https://[secret of a URL]:x-oauth-basic@github.com/a"),
        ("https://t0k:@api.stripe.com/v1", "https://[secret of a URL]:@api.stripe.com/v1"),
        (r"https:\/\/t0k:x@host", r"https:\/\/[secret of a URL]:x@host"),
        ("https://x-access-token:t0k@github.com", "https://x-access-token:[secret of a URL]@github.com"),
        ("postgres://u:ab/cd@h/db", "postgres://u:[secret of a URL]@h/db"),
        ("postgres://u:ab/c?d#e@f@h/db", "postgres://u:[secret of a URL]@h/db"),
        ("postgres://u:a/b@h,postgres://u:c/d@h", "postgres://u:[secret of a URL]@h,postgres://u:[secret of a URL]@h"),
        ("postgres://u:x@h/db", "postgres://u:[secret of a URL]@h/db"),
        ("to //u:pw@h", "to //u:[secret of a URL]@h"),
        ("//u:x@h", "//u:[secret of a URL]@h"),
        ("//git@h /a//b:c@d", "//git@h /a//b:c@d"),
        ("http://host/path/me@mail.example", "http://host/path/me@mail.example"),
        ("http://host:80/path/me@mail.example", "http://host:80/path/me@mail.example"),
        ("http://[::1]:80/path/me@mail.example", "http://[::1]:80/path/me@mail.example"),
        ("docker://r.example:5000/shop@sha256:ab", "docker://r.example:5000/shop@sha256:ab"),
    ],
)
def test_password_in_any_url_is_struck_out(text: str, struck: str) -> None:
    """A password in any URL is redacted without being learned; the rest of the URL stays readable."""
    assert Redactor().text(text) == struck
    assert Redactor().text(struck) == struck


HEADER = "[secret Authorization]"


@pytest.mark.parametrize(
    ("text", "struck"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer [secret Authorization]"),
        ("authorization:basic dTpw ok", "authorization:basic [secret Authorization] ok"),
        ("Proxy-Authorization: Basic dTpw", "Proxy-Authorization: Basic [secret Authorization]"),
        ("curl -H 'Authorization: token x1' u", "curl -H 'Authorization: token [secret Authorization]' u"),
        ('{"Authorization": "Bearer x"}', '{"Authorization": "Bearer [secret Authorization]"}'),
        (r"{\"authorization\":\"x\"}", r"{\"authorization\":\"[secret Authorization]\"}"),
        ("(b'Authorization', b'Bearer x')", "(b'Authorization', b'Bearer [secret Authorization]')"),
        ("Authorization: Digest a=1, b=2\nnext", "Authorization: Digest [secret Authorization]\nnext"),
        ("HTTP_AUTHORIZATION=Bearer x", "HTTP_AUTHORIZATION=Bearer [secret Authorization]"),
        ("Author\x1b[1mization: Bearer x", "Author\x1b[1mization: Bearer [secret Authorization]"),
        ("no authorization, try again", "no authorization, try again"),
        ('Authorization: Token token="x y", n="z"', "Authorization: Token [secret Authorization]"),
        ('Authorization: OAuth a="b", oauth_token="x"\nnext', "Authorization: OAuth [secret Authorization]\nnext"),
        ('Authorization: Digest username="a", response="x"', "Authorization: Digest [secret Authorization]"),
        ('Authorization: Digest realm="it\'s", response="x"', "Authorization: Digest [secret Authorization]"),
        ('Authorization: Bearer "x"', "Authorization: Bearer [secret Authorization]"),
        ("Authorization: Bearer 'x' ok", "Authorization: Bearer [secret Authorization] ok"),
        (r"Authorization: Bearer \"x\" ok", "Authorization: Bearer [secret Authorization] ok"),
        ("Authorization: ApiKey id x", "Authorization: ApiKey [secret Authorization]"),
        ("Authorization: Own id x", "Authorization: [secret Authorization]"),
        ("Authorization => Bearer x", "Authorization => Bearer [secret Authorization]"),
        ('"Proxy-Authorization" => "Own x y"}', '"Proxy-Authorization" => "[secret Authorization]"}'),
        ('{"Authorization": ["Bearer x"]}', '{"Authorization": ["Bearer [secret Authorization]"]}'),
        ('{"Authorization": [\n  "Bearer x"\n]}', '{"Authorization": [\n  "Bearer [secret Authorization]"\n]}'),
        ('[["Authorization","Bearer x"]]', '[["Authorization","Bearer [secret Authorization]"]]'),
        (
            '{"name":"Authorization","value":"Bearer x"}',
            '{"name":"Authorization","value":"Bearer [secret Authorization]"}',
        ),
        (
            '{"key": "Authorization",\n "value": "x y"}',
            '{"key": "Authorization",\n "value": "[secret Authorization]"}',
        ),
        (
            r'{"Authorization": "Digest a=\"b\", response=\"x\"", "n": "v"}',
            '{"Authorization": "Digest [secret Authorization]", "n": "v"}',
        ),
        (
            r'"{\"Authorization\": \"Digest a=\\\"b\\\", c=\\\"x\\\"\", \"n\": \"v\"}"',
            r'"{\"Authorization\": \"Digest [secret Authorization]\", \"n\": \"v\"}"',
        ),
        ('-H "Authorization: Own a=b x" -H "N: v"', '-H "Authorization: [secret Authorization]" -H "N: v"'),
        ('{"Authorization": "", "n": "v"}', '{"Authorization": "", "n": "v"}'),
    ],
)
def test_authorization_header_is_struck_out(text: str, struck: str) -> None:
    """The value of `Authorization` is redacted in every notation, and redacting again changes nothing."""
    assert Redactor().text(text) == struck
    assert Redactor().text(struck) == struck


def test_authorization_member_is_struck_out() -> None:
    """An `Authorization` member of an object is redacted like a header."""
    sent = {"headers": {"X-Authorization": "Bearer passed"}}
    assert Redactor().value(sent) == {"headers": {"X-Authorization": "Bearer [secret Authorization]"}}


@pytest.mark.parametrize(
    ("sent", "struck"),
    [
        ({"Authorization": ["Bearer passed", "x"]}, {"Authorization": [f"Bearer {HEADER}", HEADER]}),
        ({"authorization": "Own\npassed"}, {"authorization": HEADER}),
        ([["Authorization", "Bearer passed"]], [["Authorization", f"Bearer {HEADER}"]]),
        (("Proxy-Authorization", "passed"), ["Proxy-Authorization", HEADER]),
        ({"name": "Authorization", "value": "Digest a=b"}, {"name": "Authorization", "value": f"Digest {HEADER}"}),
        ({"value": "passed", "Key": "authorization"}, {"value": HEADER, "Key": "authorization"}),
        ({"Authorization": "Bearer known-secret"}, {"Authorization": "Bearer [secret TOKEN]"}),
        ({"Authorization": None, "name": "n", "value": "v"}, {"Authorization": None, "name": "n", "value": "v"}),
        (["no authorization", "try again"], ["no authorization", "try again"]),
    ],
)
def test_header_in_a_value_is_struck_out(sent: object, struck: object) -> None:
    """A header as a list, a pair, or a name and a value keeps only its scheme; redacting again changes nothing."""
    redactor = knowing(TOKEN="known-secret")
    assert redactor.value(sent) == struck
    assert redactor.value(struck) == struck


def test_hostile_output_teaches_nothing() -> None:
    """A value redacted for its place is not learned, since output could otherwise blank the whole record."""
    redactor = Redactor()
    redactor.text("Authorization: Bearer passed, https://u:rolled-back@h")
    assert redactor.text("passed: rolled-back") == "passed: rolled-back"


@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param("://" * 30000 + "u:" * 30000, id="addresses"),
        pytest.param("://u:" + "@" * 60000 + "/", id="a-long-password"),
        pytest.param("authorization" * 10000, id="headers"),
        pytest.param("authorization:" + "\\" * 60000, id="quotes"),
        pytest.param("authorization: basic " * 5000, id="schemes"),
        pytest.param('authorization: Own a=\\"' * 5000, id="quoted-parameters"),
        pytest.param("authorization: Own =" + "=\"x'" * 20000, id="quotes-in-quotes"),
        pytest.param("authorization: Own " + "\\\\ " * 20000, id="backslashes-of-a-header"),
        pytest.param("://u:a/" * 30000, id="slashed-passwords"),
        pytest.param("://u:a" + "/b" * 30000, id="a-path"),
        pytest.param("://u:a/b" + "@b" * 30000 + " ", id="many-hosts"),
        pytest.param("//" * 60000, id="slashes"),
        pytest.param("/" + "\\" * 60000, id="escaped-slashes"),
        pytest.param("//u" + ":a" * 40000, id="colons"),
        pytest.param("\x1b[" * 40000, id="half-a-colour"),
        pytest.param("\x1b[31m" * 20000, id="colours"),
        pytest.param("\\" * 60000 + "n", id="backslashes"),
        pytest.param(("A" * 16 + "\n") * 8000, id="wrapped"),
        pytest.param("\n" * 60000, id="empty-lines"),
        pytest.param("A" * 16 + "\n" + " " * 60000, id="indented"),
        pytest.param("a" + "%20" * 30000, id="blanks-in-a-url"),
        pytest.param("a" + "+" * 60000, id="blanks-in-a-form"),
        pytest.param("a + " * 20000, id="the-secret-s-beginning"),
        pytest.param("\N{REPLACEMENT CHARACTER}" * 60000, id="undecodable"),
    ],
)
def test_no_text_takes_long(hostile: str) -> None:
    """Any hostile text is redacted within 5 s of CPU time, because a log must not stop a rollback."""
    redactor = knowing(A="a + + + + + b", B="\udce4\udcb8\udce4\udcb8\udce4\udcb8", C="a b c d e f g h")
    began = time.process_time()
    redactor.text(hostile)
    assert time.process_time() - began < 5
