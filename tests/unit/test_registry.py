"""The image registry, where it answers as no real one does (what real ones answer, the engine tests ask)."""

import base64
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from runbook.errors import ProductionError, RegistryError, RegistryRefused, ReleaseNotFound, RunbookError
from runbook.probes import Prober
from runbook.registry import Registry
from runbook.release import ImageName
from tests.unit.parts import Asked, Heard, Reply, asking, serving

PASSWORD = "canary-4711"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = ImageName("registry.example", "shop/api", "v1")
FOUND = Reply(200, headers={"Docker-Content-Digest": DIGEST})


def registry(url: str, prober: Prober, username: str | None = "deploy") -> Registry:
    return Registry(url, username, SecretStr(PASSWORD) if username else None, prober)


def credentials(asked: Asked) -> str:
    """The user name and password in a request, if any."""
    scheme, _, encoded = asked.headers.get("authorization", "").partition(" ")
    return base64.b64decode(encoded).decode() if scheme == "Basic" else ""


def challenge(realm: str) -> Reply:
    return Reply(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="registry.example"'})


def digest_from(answer: Callable[[Asked], Reply]) -> str:
    with serving(answer) as server, asking() as prober:
        return registry(server.url, prober).digest(IMAGE)


def test_digest_is_what_the_registry_says() -> None:
    """A tag is asked for with HEAD, as the user of the settings, and the digest is the one of the answer."""
    with serving(lambda _asked: FOUND) as server, asking() as prober:
        assert registry(server.url, prober).digest(IMAGE) == DIGEST
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("HEAD", "/v2/shop/api/manifests/v1")
    assert credentials(asked) == f"deploy:{PASSWORD}"
    assert "application/vnd.oci.image.index.v1+json" in asked.headers["accept"]


def test_registry_without_a_user_gets_no_credentials() -> None:
    """Without a user name in the settings nobody is claimed to be."""
    with serving(lambda _asked: FOUND) as server, asking() as prober:
        registry(server.url, prober, username=None).digest(IMAGE)
    assert "authorization" not in server.asked[0].headers


def test_missing_tag_is_told_with_those_that_there_are() -> None:
    """A tag that the registry does not have is told with its newest names."""

    def answer(asked: Asked) -> Reply:
        return Reply(200, {"tags": ["v3", "v2"]}) if "tags/list" in asked.path else Reply(404)

    with pytest.raises(ReleaseNotFound, match=r"has no shop/api:v1 \(its tags: v2, v3\)") as caught:
        digest_from(answer)
    assert "--to TAG" in caught.value.next_step


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(Reply(401), RegistryRefused, id="401"),
        pytest.param(Reply(403), RegistryRefused, id="403"),
        pytest.param(Reply(500, b"oops"), RegistryError, id="500"),
        pytest.param(Reply(307, headers={"Location": "https://elsewhere.example/"}), RegistryError, id="redirect"),
        pytest.param(Reply(200), ProductionError, id="no-digest"),
        pytest.param(Reply(200, headers={"Docker-Content-Digest": "latest"}), ProductionError, id="digest-no-digest"),
        pytest.param(challenge(""), RegistryRefused, id="realm-empty"),
        pytest.param(challenge("file:///etc/passwd"), RegistryRefused, id="realm-a-file"),
        pytest.param(challenge("http://[::1"), RegistryError, id="realm-no-address"),
        pytest.param(challenge("https://[::1"), RegistryError, id="realm-no-address-either"),
    ],
)
def test_answer_that_is_no_digest_is_an_error(reply: Reply, error: type[RunbookError]) -> None:
    """What is not a digest is never taken for one, and the error does not hold the password."""
    with pytest.raises(error) as caught:
        digest_from(lambda _asked: reply)
    assert PASSWORD not in str(caught.value)


def test_registry_that_is_not_there_is_told() -> None:
    """A registry that nobody answers for is told by its host."""
    with asking() as prober, pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 cannot be reached"):
        registry("http://127.0.0.1:1", prober).digest(IMAGE)


def test_token_is_fetched_and_used() -> None:
    """A registry that wants a bearer token gets one, fetched from its own host with the password; both stay secret."""
    heard = Heard()

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return Reply(200, {"token": "t0ken-4711"})
        if asked.headers.get("authorization") == "Bearer t0ken-4711":
            return FOUND
        return challenge(f"http://{asked.headers['host']}/token")

    with serving(answer) as server, asking(heard=heard) as prober:
        assert registry(server.url, prober).digest(IMAGE) == DIGEST
    token = server.asked[1]
    assert credentials(token) == f"deploy:{PASSWORD}"
    assert "scope=repository%3Ashop%2Fapi%3Apull" in token.path
    assert "service=registry.example" in token.path
    assert "t0ken-4711" not in str(heard.exchanges)


def test_password_goes_to_no_other_host_in_the_clear() -> None:
    """A registry that sends us to another host over plain HTTP does not make us show the password there."""
    with serving(lambda _asked: Reply(200, {"token": "x"})) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with pytest.raises(RegistryRefused, match="wants a token from"):
            digest_from(lambda _asked: challenge(f"{elsewhere}/token"))
    assert other.asked == []


def test_password_that_was_never_in_the_clear_stays_so() -> None:
    """A registry reached by HTTPS does not make us show the password over HTTP, not even to its own host."""
    with serving(lambda _asked: Reply(200, {"token": "x"})) as realm, asking() as prober:
        found = registry(realm.url.replace("http://", "https://"), prober)
        with pytest.raises(RegistryRefused, match="not an https address"):
            found._token(f'Bearer realm="{realm.url}/token",service="s"', "shop/api")
    assert realm.asked == []


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(401), id="refused"),
        pytest.param(Reply(200, {}), id="no-token"),
        pytest.param(Reply(200, {"token": ""}), id="empty-token"),
        pytest.param(Reply(200, []), id="a-list"),
        pytest.param(Reply(200, b"<html>"), id="no-json"),
    ],
)
def test_no_token_is_told(reply: Reply) -> None:
    """A user who gets no token is told, by name and without the password."""

    def answer(asked: Asked) -> Reply:
        return reply if asked.path.startswith("/token") else challenge(f"http://{asked.headers['host']}/token")

    with pytest.raises(RegistryError) as caught:
        digest_from(answer)
    assert PASSWORD not in str(caught.value)


def paged(asked: Asked) -> Reply:
    pages = {
        "/v2/shop/api/tags/list?n=1000": Reply(200, {"tags": ["v2", "v10"]}, {"Link": '</v2/x?last=v10>; rel="next"'}),
        "/v2/x?last=v10": Reply(200, {"tags": ["v1"]}),
    }
    return pages[asked.path]


def test_tags_are_read_over_all_pages() -> None:
    """Tags come page by page, and are sorted by name."""
    with serving(paged) as server, asking() as prober:
        assert registry(server.url, prober).tags("shop/api") == ["v1", "v10", "v2"]


def test_pages_of_another_host_are_asked_of_this_one() -> None:
    """A link to the next page that names another host does not send the password there."""
    with serving(lambda _asked: Reply(200, {"tags": []})) as other:

        def answer(asked: Asked) -> Reply:
            first = Reply(200, {"tags": ["v1"]}, {"Link": f'<{other.url}/v2/next>; rel="next"'})
            return first if "tags/list" in asked.path else Reply(200, {"tags": ["v2"]})

        with serving(answer) as server, asking() as prober:
            assert registry(server.url, prober).tags("shop/api") == ["v1", "v2"]
    assert other.asked == []


def test_page_at_no_address_is_told() -> None:
    """A link to a next page that is no address is an error of the registry's."""
    broken = Reply(200, {"tags": ["v1"]}, {"Link": '<http://[::1>; rel="next"'})
    with serving(lambda _asked: broken) as server, asking() as prober, pytest.raises(RegistryError, match="no address"):
        registry(server.url, prober).tags("shop/api")


def test_pages_without_end_end() -> None:
    """A registry that always names another page is not followed for ever."""
    endless = Reply(200, {"tags": ["v1"]}, {"Link": '</v2/shop/api/tags/list>; rel="next"'})
    with serving(lambda _asked: endless) as server, asking() as prober:
        registry(server.url, prober).tags("shop/api")
    assert len(server.asked) <= 100


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(404), id="unknown-repository"),
        pytest.param(Reply(200, {"tags": None}), id="null"),
        pytest.param(Reply(200, {}), id="left-out"),
    ],
)
def test_repository_without_tags_has_none(reply: Reply) -> None:
    """A repository that is empty, or not known, has no tags."""
    with serving(lambda _asked: reply) as server, asking() as prober:
        assert registry(server.url, prober).tags("shop/api") == []


@pytest.mark.parametrize("body", [b"<html>", [], {"tags": 7}, "tags"], ids=repr)
def test_tags_in_another_form_are_not_known(body: object) -> None:
    """An answer that lists no tags leaves the question open, in one of the runbook's own words."""
    with serving(lambda _asked: Reply(200, body)) as server, asking() as prober, pytest.raises(RunbookError):
        registry(server.url, prober).tags("shop/api")
