"""The image registry, with answers that no real one gives (real ones: the engine tests)."""

import base64
import hashlib
from collections.abc import Callable

import pytest
from pydantic import SecretStr

from runbook.errors import RegistryError, RegistryRefused, ReleaseNotFound, RunbookError
from runbook.hosts.http import HttpClient
from runbook.release import ImageName
from runbook.targets.registry import Registry, same_registry
from tests.support.parts import Asked, Heard, Reply, asking, serving

PASSWORD = "canary-4711"
DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = ImageName("registry.example", "shop/api", "v1")
FOUND = Reply(200, headers={"Docker-Content-Digest": DIGEST})


def registry(url: str, http: HttpClient, username: str | None = "deploy") -> Registry:
    return Registry(url, username, SecretStr(PASSWORD) if username else None, http)


def credentials(asked: Asked) -> str:
    """Return the user name and password in a request, or an empty string."""
    scheme, _, encoded = asked.headers.get("authorization", "").partition(" ")
    return base64.b64decode(encoded).decode() if scheme == "Basic" else ""


def challenge(realm: str) -> Reply:
    return Reply(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="registry.example"'})


def digest_from(answer: Callable[[Asked], Reply]) -> str:
    with serving(answer) as server, asking() as http:
        return registry(server.url, http).digest(IMAGE)


def test_digest_is_what_the_registry_says() -> None:
    """A tag's digest is requested with HEAD, as the user in the settings."""
    with serving(lambda _asked: FOUND) as server, asking() as http:
        assert registry(server.url, http).digest(IMAGE) == DIGEST
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("HEAD", "/v2/shop/api/manifests/v1")
    assert credentials(asked) == f"deploy:{PASSWORD}"
    assert "application/vnd.oci.image.index.v1+json" in asked.headers["accept"]


def test_registry_without_a_user_gets_no_credentials() -> None:
    """Without a user name in the settings no credentials are sent."""
    with serving(lambda _asked: FOUND) as server, asking() as http:
        registry(server.url, http, username=None).digest(IMAGE)
    assert "authorization" not in server.asked[0].headers


def test_missing_tag_is_told_with_those_that_there_are() -> None:
    """The error for a missing tag lists the registry's tags."""

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
        pytest.param(Reply(429, headers={"Retry-After": "30"}), RegistryError, id="429"),
        pytest.param(Reply(503), RegistryError, id="503"),
        pytest.param(Reply(200), RegistryError, id="no-digest"),
        pytest.param(Reply(200, b"<html>Sign in</html>"), RegistryError, id="a-page"),
        pytest.param(Reply(200, {"schemaVersion": 1}), RegistryError, id="manifest-of-the-first-kind"),
        pytest.param(Reply(200, b'{"schemaVersion": 2}' + b" " * (4 << 20)), RegistryError, id="manifest-too-large"),
        pytest.param(Reply(200, b"[" * 100_000), RegistryError, id="nested-too-deep"),
        pytest.param(Reply(200, headers={"Docker-Content-Digest": "latest"}), RegistryError, id="digest-no-digest"),
        pytest.param(Reply(200, b"{}", {"Docker-Content-Digest": "sha256:../x"}), RegistryError, id="digest-hostile"),
        pytest.param(
            Reply(401, headers={"WWW-Authenticate": 'Basic realm="https://auth.example/"'}), RegistryRefused, id="basic"
        ),
        pytest.param(challenge(""), RegistryRefused, id="realm-empty"),
        pytest.param(challenge("file:///etc/passwd"), RegistryRefused, id="realm-a-file"),
        pytest.param(challenge("http://[::1"), RegistryError, id="realm-no-address"),
        pytest.param(challenge("https://[::1"), RegistryError, id="realm-no-address-either"),
    ],
)
def test_answer_that_is_no_digest_is_an_error(reply: Reply, error: type[RunbookError]) -> None:
    """An answer without a valid digest is an error that does not show the password.

    A registry that is down or answers nonsense has not refused the user: the host's own copy is used then.
    """
    with pytest.raises(error) as caught:
        digest_from(lambda _asked: reply)
    assert type(caught.value) is error
    assert PASSWORD not in str(caught.value)


MANIFEST = b'{"schemaVersion": 2,\n "manifests": []}\n'
HASHED = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.mark.parametrize("head", [200, 400, 404, 405, 501])
@pytest.mark.parametrize("header", [None, "", "garbage", "sha512:" + "0" * 128, HASHED])
def test_digest_is_hashed_where_the_answer_to_head_has_none(head: int, header: str | None) -> None:
    """If HEAD gives no digest, the manifest is fetched and its exact bytes are hashed."""
    headers = {} if header is None else {"Docker-Content-Digest": header}
    about_head = headers if header != HASHED else {}
    assert (
        digest_from(
            lambda asked: Reply(head, headers=about_head) if asked.method == "HEAD" else Reply(200, MANIFEST, headers)
        )
        == HASHED
    )


def test_digest_in_the_header_of_get_counts_where_there_is_no_manifest() -> None:
    """If HEAD fails and GET returns no manifest, the digest in GET's header counts."""
    assert digest_from(lambda asked: Reply(405) if asked.method == "HEAD" else FOUND) == DIGEST


def test_digest_that_contradicts_the_manifest_is_not_believed() -> None:
    """A manifest whose hash differs from the header's digest is an error."""
    with pytest.raises(RegistryError, match=f"states the digest {DIGEST}") as caught:
        digest_from(lambda asked: Reply(405) if asked.method == "HEAD" else Reply(200, MANIFEST, FOUND.headers))
    assert type(caught.value) is RegistryError


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_credentials_stay_at_home(status: int) -> None:
    """A redirect to another server, such as a CDN, is followed without the password."""
    with serving(lambda _asked: FOUND) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost") + "/cdn?signature=x"
        assert digest_from(lambda _asked: Reply(status, headers={"Location": elsewhere})) == DIGEST
    assert [(asked.method, asked.path) for asked in other.asked] == [("HEAD", "/cdn?signature=x")]
    assert "authorization" not in other.asked[0].headers


def test_redirect_at_home_keeps_the_credentials() -> None:
    """A redirect on the same server keeps the credentials."""

    def answer(asked: Asked) -> Reply:
        home = Reply(307, headers={"Location": "/v2/mirror/shop/api/manifests/v1"})
        return FOUND if asked.path.startswith("/v2/mirror") and credentials(asked) else home

    assert digest_from(answer) == DIGEST


@pytest.mark.parametrize("location", ["", "http://[::1", "file:///etc/passwd", "/v2/round", "ftp://x.example/"])
def test_redirect_to_nowhere_is_no_refusal(location: str) -> None:
    """A redirect that cannot be followed, or has no end, is an error of the registry."""
    with pytest.raises(RegistryError) as caught:
        digest_from(lambda _asked: Reply(307, headers={"Location": location}))
    assert type(caught.value) is RegistryError


@pytest.mark.parametrize("listing", [403, 401, 429, 503, 307])
def test_missing_tag_is_missing_where_tags_cannot_be_listed(listing: int) -> None:
    """A missing tag counts as missing, even if the tags cannot be listed."""
    with pytest.raises(ReleaseNotFound, match=r"has no shop/api:v1 \(its tags cannot be listed"):
        digest_from(lambda asked: Reply(listing if "tags/list" in asked.path else 404))


def test_tag_that_is_listed_and_not_given_is_no_missing_tag() -> None:
    """A tag that is listed but not returned is an error, and does not count as missing."""
    with pytest.raises(RegistryError, match="lists shop/api:v1, but does not return it") as caught:
        digest_from(lambda asked: Reply(200, {"tags": ["v1"]}) if "tags/list" in asked.path else Reply(404))
    assert type(caught.value) is RegistryError


def test_registry_that_is_not_there_is_told() -> None:
    """The error for a registry that cannot be reached names its host."""
    with asking() as http, pytest.raises(RegistryError, match=r"127\.0\.0\.1:1 cannot be reached"):
        registry("http://127.0.0.1:1", http).digest(IMAGE)


def test_token_is_fetched_and_used() -> None:
    """A bearer token is fetched with the password from the registry's own host, and does not go on record."""
    heard = Heard()

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return Reply(200, {"token": "t0ken-4711"})
        if asked.headers.get("authorization") == "Bearer t0ken-4711":
            return FOUND
        return challenge(f"http://{asked.headers['host']}/token")

    with serving(answer) as server, asking(heard=heard) as http:
        assert registry(server.url, http).digest(IMAGE) == DIGEST
    token = server.asked[1]
    assert credentials(token) == f"deploy:{PASSWORD}"
    assert "scope=repository%3Ashop%2Fapi%3Apull" in token.path
    assert "service=registry.example" in token.path
    assert "t0ken-4711" not in str(heard.exchanges)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(['Bearer realm="{}/token",service="reg"', 'Basic realm="Registry"'], id="two-headers"),
        pytest.param(['Basic realm="Gitea"', 'Bearer realm="{}/token",service="reg",scope="*"'], id="basic-first"),
        pytest.param(['Bearer realm="{}/token",service="reg", Basic realm="Registry"'], id="one-header"),
        pytest.param(['Basic realm="a, Bearer realm=b", Bearer service=reg, realm={}/token'], id="unquoted"),
        pytest.param(['Bearer realm="{}/token?account=x",service="reg"'], id="realm-with-a-query"),
    ],
)
def test_token_is_asked_for_at_the_bearer_challenge_own_realm(headers: list[str]) -> None:
    """If Basic and Bearer are offered, the token comes from Bearer's realm."""

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token?"):
            return Reply(200, {"access_token": "t0ken-4711"})
        if asked.headers.get("authorization") == "Bearer t0ken-4711":
            return FOUND
        url = f"http://{asked.headers['host']}"
        return Reply(401, headers=[("WWW-Authenticate", header.format(url)) for header in headers])

    with serving(answer) as server, asking() as http:
        assert registry(server.url, http).digest(IMAGE) == DIGEST
    path = server.asked[1].path
    assert path.count("?") == 1
    assert "service=reg&scope=repository%3Ashop%2Fapi%3Apull" in path
    assert ("account=x&" in path) is ("account" in headers[0])


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("method", ["digest", "tags"])
def test_password_that_is_refused_without_a_challenge(status: int, method: str) -> None:
    """A password answered with 403 (GHCR) or 400 (ECR Public) leads to a request without it, for the challenge."""

    def answer(asked: Asked) -> Reply:
        given = asked.headers.get("authorization", "")
        if asked.path.startswith("/token"):
            return Reply(200, {"token": "t0ken-4711"}) if credentials(asked) == f"deploy:{PASSWORD}" else Reply(403)
        if given == "Bearer t0ken-4711":
            return FOUND if "manifests" in asked.path else Reply(200, {"tags": ["v1"]})
        denied = {"errors": [{"code": "DENIED", "message": "invalid token"}]}
        return Reply(status, denied) if given else challenge(f"http://{asked.headers['host']}/token")

    with serving(answer) as server, asking() as http:
        found = registry(server.url, http)
        assert (found.digest(IMAGE) == DIGEST) if method == "digest" else (found.tags("shop/api") == ["v1"])


@pytest.mark.parametrize("status", [401, 403])
def test_token_that_expires_half_way_is_fetched_anew(status: int) -> None:
    """A token that expires while many pages are read is fetched again."""
    tokens, used = iter(range(100)), dict.fromkeys(map(str, range(100)), 0)

    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/token"):
            return Reply(200, {"access_token": f"t{next(tokens)}"})
        token = asked.headers.get("authorization", "").partition("Bearer t")[2]
        if not token:
            return challenge(f"http://{asked.headers['host']}/token")
        used[token] += 1
        if used[token] > 2:
            return challenge(f"http://{asked.headers['host']}/token") if status == 401 else Reply(403)
        page = int(asked.path.partition("last=")[2] or 0)
        more = {"Link": f'</v2/shop/api/tags/list?last={page + 1}>; rel="next"'} if page < 7 else {}
        return Reply(200, {"tags": [f"v{page}"]}, more)

    with serving(answer) as server, asking() as http:
        assert registry(server.url, http).tags("shop/api") == [f"v{page}" for page in range(8)]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 404, 307])
def test_token_service_that_is_down_refuses_nobody(status: int) -> None:
    """A token service that is down or overloaded is an error, but no refusal of the user."""

    def answer(asked: Asked) -> Reply:
        return Reply(status) if asked.path.startswith("/token") else challenge(f"http://{asked.headers['host']}/token")

    with pytest.raises(RegistryError, match=f"gave no token .HTTP {status}") as caught:
        digest_from(answer)
    assert type(caught.value) is RegistryError


@pytest.mark.parametrize("status", [400, 401, 403])
def test_token_service_that_refuses_is_a_refusal(status: int) -> None:
    """A token service that refuses the user is a refusal, with the user's name."""

    def answer(asked: Asked) -> Reply:
        return Reply(status) if asked.path.startswith("/token") else challenge(f"http://{asked.headers['host']}/token")

    with pytest.raises(RegistryRefused, match="refuses a token to the user deploy"):
        digest_from(answer)


def test_password_goes_to_no_other_host_in_the_clear() -> None:
    """The password is not sent to another host over plain HTTP."""
    with serving(lambda _asked: Reply(200, {"token": "x"})) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with pytest.raises(RegistryRefused, match=r"sends logins to .*, which is not an https"):
            digest_from(lambda _asked: challenge(f"{elsewhere}/token"))
    assert other.asked == []


def test_password_that_was_never_in_the_clear_stays_so() -> None:
    """A registry reached by HTTPS does not get the password over plain HTTP, not even on its own host."""
    with serving(lambda _asked: Reply(200, {"token": "x"})) as realm, asking() as http:
        found = registry(realm.url.replace("http://", "https://"), http)
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
        pytest.param(Reply(200, {"token": ["x"]}), id="token-a-list"),
        pytest.param(Reply(200, {"token": "x\r\nHost: evil.example"}), id="token-of-two-lines"),
        pytest.param(Reply(200, {"token": "t\u00f6ken"}), id="token-no-header-holds"),
    ],
)
def test_no_token_is_told(reply: Reply) -> None:
    """An answer without a usable token is an error that does not show the password."""

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
    """Tags are read from all pages and sorted by name."""
    with serving(paged) as server, asking() as http:
        assert registry(server.url, http).tags("shop/api") == ["v1", "v10", "v2"]


def test_pages_of_another_host_are_asked_of_this_one() -> None:
    """A next-page link with another host is requested from this registry, not from that host."""
    with serving(lambda _asked: Reply(200, {"tags": []})) as other:

        def answer(asked: Asked) -> Reply:
            first = Reply(200, {"tags": ["v1"]}, {"Link": f'<{other.url}/v2/next>; rel="next"'})
            return first if "tags/list" in asked.path else Reply(200, {"tags": ["v2"]})

        with serving(answer) as server, asking() as http:
            assert registry(server.url, http).tags("shop/api") == ["v1", "v2"]
    assert other.asked == []


def test_page_at_no_address_is_told() -> None:
    """An invalid URL of a next page is an error of the registry."""
    broken = Reply(200, {"tags": ["v1"]}, {"Link": '<http://[::1>; rel="next"'})
    with serving(lambda _asked: broken) as server, asking() as http, pytest.raises(RegistryError, match="not a URL"):
        registry(server.url, http).tags("shop/api")


def test_pages_without_end_end() -> None:
    """A next page that was read already ends the list."""
    endless = Reply(200, {"tags": ["v1"]}, {"Link": '</v2/shop/api/tags/list>; rel="next"'})
    with serving(lambda _asked: endless) as server, asking() as http:
        assert registry(server.url, http).tags("shop/api") == ["v1"]
    assert len(server.asked) == 2


def test_more_pages_than_there_can_be_are_an_error() -> None:
    """A list with too many pages is an error, because the newest tags may be missing."""
    pages = iter(range(10_000))

    def answer(_asked: Asked) -> Reply:
        page = next(pages)
        return Reply(200, {"tags": [f"v{page}"]}, {"Link": f'<?last=v{page}>; rel="next"'})

    with serving(answer) as server, asking() as http, pytest.raises(RegistryError, match="and more follow"):
        registry(server.url, http).tags("shop/api")


@pytest.mark.parametrize(
    "link",
    [
        pytest.param('</v2/shop/api/tags/list?last=v1&n=1>; rel="next"', id="absolute path"),
        pytest.param('<list?last=v1&n=1>; rel="next"', id="relative path"),
        pytest.param("<?last=v1&n=1>; rel=next", id="query alone"),
        pytest.param('<?last=v0&n=1>; rel="prev", <?last=v1&n=1>; title="a, b"; rel="next"', id="one of several"),
        pytest.param('<?last=v1&n=1>; rel="last next"', id="two relations"),
    ],
)
def test_next_page_is_found_however_it_is_linked(link: str) -> None:
    """The next page is found in every form of link that RFC 8288 allows."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/v2/shop/api/tags/list?last=v1&n=1":
            return Reply(200, {"tags": ["v2"]})
        return Reply(200, {"tags": ["v1"]}, {"Link": link})

    with serving(answer) as server, asking() as http:
        assert registry(server.url, http).tags("shop/api") == ["v1", "v2"]


@pytest.mark.parametrize("link", [".evil.example/v2/x", "@evil.example/v2/x", ":1@evil.example/", "//evil.example/v2"])
def test_next_page_cannot_become_another_host(link: str) -> None:
    """A next-page link never changes the host, even one like `@evil.example` that would if it were appended."""
    heard = Heard()

    def answer(asked: Asked) -> Reply:
        first = asked.path.endswith("n=1000")
        return Reply(200, {"tags": ["v1"]}, {"Link": f'<{link}>; rel="next"'}) if first else Reply(200, {"tags": []})

    with serving(answer) as server, asking(heard=heard) as http:
        assert registry(server.url, http).tags("shop/api") == ["v1"]
    assert len(server.asked) == 2
    assert all(url.startswith(server.url + "/") for _, url, _, _ in heard.exchanges)


def test_list_that_breaks_off_is_not_taken_for_the_whole() -> None:
    """A missing next page is an error, so that a partial list does not count as complete."""

    def answer(asked: Asked) -> Reply:
        first = asked.path.endswith("n=1000")
        return Reply(200, {"tags": ["v1"]}, {"Link": '<?last=v1>; rel="next"'}) if first else Reply(404)

    with serving(answer) as server, asking() as http, pytest.raises(RegistryError, match="answered 404"):
        registry(server.url, http).tags("shop/api")


def test_signed_address_is_not_in_an_error() -> None:
    """The signature of a redirect's URL does not appear in an error."""

    def answer(asked: Asked) -> Reply:
        return Reply(500) if "canary" in asked.path else Reply(307, headers={"Location": "/cdn?signature=canary"})

    with pytest.raises(RegistryError, match="answered 500") as caught:
        digest_from(answer)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(404), id="unknown-repository"),
        pytest.param(Reply(200, {"tags": None}), id="null"),
        pytest.param(Reply(200, {}), id="left-out"),
    ],
)
def test_repository_without_tags_has_none(reply: Reply) -> None:
    """An empty or unknown repository has no tags."""
    with serving(lambda _asked: reply) as server, asking() as http:
        assert registry(server.url, http).tags("shop/api") == []


@pytest.mark.parametrize("body", [b"<html>", [], {"tags": 7}, "tags"], ids=repr)
def test_tags_in_another_form_are_not_known(body: object) -> None:
    """A list of tags in the wrong form raises one of the runbook's own errors."""
    with serving(lambda _asked: Reply(200, body)) as server, asking() as http, pytest.raises(RunbookError):
        registry(server.url, http).tags("shop/api")


@pytest.mark.parametrize(
    ("url", "image", "serves"),
    [
        ("https://registry-1.docker.io", "docker.io", True),
        ("https://docker.io", "docker.io", True),
        ("https://index.docker.io/", "docker.io", True),
        ("https://registry.example:443", "registry.example", True),
        ("https://registry.example", "registry.example:443", True),
        ("https://registry.example", "registry.example:5000", False),
        ("https://registry.example", "docker.io", False),
    ],
)
def test_images_name_a_registry_in_several_ways(url: str, image: str, serves: bool) -> None:  # noqa: FBT001 - a table
    """Docker Hub has several names, and port 443 may be omitted."""
    with asking() as http:
        assert same_registry(registry(url, http).host, image) is serves
