"""The registry as a source of releases, and docker's logins for it, with Debian's docker-registry."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from runbook.errors import RegistryRefused
from runbook.release import ImageName
from runbook.targets.candidate import Candidate
from runbook.targets.docker_login import docker_login
from runbook.targets.registry import Registry
from runbook.targets.sources.registry_tags import RegistryTags
from runbook.targets.sources.source import Through
from tests.support.parts import Asked, asking, host
from tests.support.registry_server import PASSWORD, USER, Store, basic, registry
from tests.support.target_parts import through, wanted
from tests.support.token_server import token_server

CREATED = "org.opencontainers.image.created"
TOKEN = "identity-canary-4711"


def fill(folder: Path) -> Store:
    """Store ten thousand tags of the api and a few of the jobs: one image for most, and different ones at the end."""
    store = Store(folder)
    for repository in ("shop/api", "shop/jobs"):
        old, _ = store.image(repository, "linux/amd64", "2020-01-01T00:00:00Z")
        releases = 9_995 if repository == "shop/api" else 5
        store.tag(repository, old, "latest", *(f"v1.{number}" for number in range(releases)))
        labelled, _ = store.image(
            repository, "linux/amd64", "1970-01-01T00:00:00Z", **{CREATED: "2025-12-15T10:00:00Z"}
        )
        store.tag(repository, labelled, "v2.9")
        arm, _ = store.image(repository, "linux/arm64", "2025-12-17T10:00:00Z")
        store.tag(repository, arm, "v2.11")
    both = {name: store.image("shop/api", name, "2025-12-16T10:00:00Z") for name in ("linux/arm64", "linux/amd64")}
    store.tag("shop/api", store.index("shop/api", both), "v2.10")
    annotated = store.index("shop/api", both, **{CREATED: "2025-12-18T10:00:00Z"})
    store.tag("shop/api", annotated, "v2.12")
    jobs, _ = store.image("shop/jobs", "linux/amd64", "2025-12-16T10:00:00Z")
    store.tag("shop/jobs", jobs, "v2.10")
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return fill(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def open_registry(store: Store) -> Iterator[str]:
    with registry(store.folder) as url:
        yield url


def listed(url: str, *, newest: int = 4, pattern: str = "v.+") -> tuple[list[Candidate], RegistryTags]:
    name = urlsplit(url).netloc

    def connect(looking: Through) -> Registry:
        return Registry(url, None, None, looking.http)

    source = RegistryTags(connect, name, wanted(name, newest=newest, pattern=pattern), "linux/amd64")
    with through(60) as looking:
        return list(source.candidates(looking)), source


def test_newest_of_ten_thousand_tags_are_found(open_registry: str) -> None:
    """The tags come page by page. The last by version are inspected, and sorted by build time."""
    began = time.monotonic()
    found, source = listed(open_registry)
    assert [each.tag for each in found] == ["v2.12", "v2.11", "v2.10", "v2.9"]
    assert [each.time.isoformat()[:10] if each.time else None for each in found] == [
        "2025-12-18", "2025-12-17", "2025-12-16", "2025-12-15",
    ]  # fmt: skip
    assert source.remarks == [
        "1 of 10000 tags are not releases (targets.pattern)",
        (
            "only the 4 highest versions of 9999 tags were read, v2.12 to v2.9; targets.newest and targets.pattern"
            " decide which"
        ),
    ]
    assert time.monotonic() - began < 30


def test_each_release_says_its_platforms_and_what_it_lacks(open_registry: str) -> None:
    """An index covers all its platforms. A release without an image of the jobs is reported as such."""
    found = {each.tag: each for each in listed(open_registry)[0]}
    assert found["v2.10"].platforms == ("linux/amd64", "linux/arm64")
    assert found["v2.11"].platforms == ("linux/arm64",)
    assert found["v2.12"].lacks == ("jobs",)
    assert found["v2.10"].lacks == ()


def test_digests_are_those_that_a_tag_stands_for(open_registry: str) -> None:
    """For an index, the digest is the index's own, as docker keeps it."""
    found = {each.tag: each for each in listed(open_registry)[0]}
    with asking() as http:
        asked = Registry(open_registry, None, None, http)
        for service in ("api", "jobs"):
            image = ImageName(urlsplit(open_registry).netloc, f"shop/{service}", "v2.10")
            assert found["v2.10"].digests[service] == asked.digest(image)


def test_pattern_decides_which_tags_count(open_registry: str) -> None:
    """If the settings have a pattern, no other tags are inspected."""
    found, _ = listed(open_registry, pattern=r"v1\.99\d\d")
    assert [each.tag for each in found] == ["v1.9994", "v1.9993", "v1.9992", "v1.9991"]


def configured(folder: Path, **configuration: object) -> dict[str, str]:
    """Return an environment in which docker has this configuration, and the helper `shop` with one login."""
    (folder / "docker").mkdir()
    (folder / "docker" / "config.json").write_text(json.dumps(configuration))
    helper = folder / "docker-credential-shop"
    helper.write_text(
        f'#!/bin/sh\n[ "$1" = get ] || exit 1\nread -r server\necho "$server" >>{folder}/asked\n'
        f'case "$server" in\n127.0.0.1:*) echo \'{{"Username": "{USER}", "Secret": "{PASSWORD}"}}\' ;;\n'
        f'*) echo "credentials not found in native keychain"; exit 1 ;;\nesac\n'
    )
    helper.chmod(0o755)
    return {"DOCKER_CONFIG": str(folder / "docker"), "PATH": f"{folder}:/usr/bin:/bin"}


def with_login(url: str, environment: dict[str, str]) -> tuple[str, list[tuple[str, str]]]:
    """Return a release's digest, read with docker's login, and the secrets that were learned."""
    name, learned = urlsplit(url).netloc, list[tuple[str, str]]()
    on_host = host(environment=environment)
    with asking() as http:
        found = Registry(
            url, None, None, http, lambda: docker_login(on_host, name, 5, lambda *what: learned.append(what))
        )
        return found.digest(ImageName(name, "shop/api", "v2.9")), learned


AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.mark.parametrize(
    "login",
    [
        pytest.param(lambda name: {"auths": {name: {"auth": AUTH}}}, id="in the file"),
        pytest.param(lambda name: {"auths": {f"https://{name}/v2/": {"auth": AUTH}}}, id="by an address"),
        pytest.param(lambda name: {"credHelpers": {name: "shop"}, "credsStore": "missing"}, id="its own helper"),
        pytest.param(lambda _name: {"credsStore": "shop", "auths": {}}, id="the store"),
    ],
)
def test_basic_authentication_with_dockers_own_login(
    store: Store, tmp_path: Path, login: Callable[[str], dict[str, object]]
) -> None:
    """If docker has a login, in any of the possible places, no second password is needed."""
    with registry(store.folder, *basic(store.folder)) as url:
        digest, learned = with_login(url, configured(tmp_path, **login(urlsplit(url).netloc)))
        assert digest.startswith("sha256:")
        assert learned == [(f"registry login of {urlsplit(url).netloc}", PASSWORD)]


def test_login_at_another_registry_is_not_sent(store: Store, tmp_path: Path) -> None:
    """A login is used only for its registry."""
    with registry(store.folder, *basic(store.folder)) as url, pytest.raises(RegistryRefused, match=r"user \(none\)"):
        with_login(url, configured(tmp_path, auths={"registry.example": {"auth": AUTH}}))


def test_bearer_authentication_with_a_password(store: Store, tmp_path: Path) -> None:
    """The token service is asked with docker's user, and its token opens the registry."""

    def allows(asked: Asked) -> bool:
        return asked.headers.get("authorization") == f"Basic {AUTH}"

    with token_server(tmp_path, allows) as (tokens, settings), registry(store.folder, *settings) as url:
        assert with_login(url, configured(tmp_path, credsStore="shop"))[0].startswith("sha256:")
        assert "scope=repository%3Ashop%2Fapi%3Apull" in tokens.asked[0].path


def test_bearer_authentication_with_an_identity_token(store: Store, tmp_path: Path) -> None:
    """If docker keeps an identity token instead of a password, the token service exchanges it."""

    def allows(asked: Asked) -> bool:
        form = parse_qs(asked.body.decode())
        return asked.method == "POST" and form["refresh_token"] == [TOKEN] and form["grant_type"] == ["refresh_token"]

    with token_server(tmp_path, allows) as (_, settings), registry(store.folder, *settings) as url:
        logins = {urlsplit(url).netloc: {"auth": base64.b64encode(b"x:").decode(), "identitytoken": TOKEN}}
        digest, learned = with_login(url, configured(tmp_path, auths=logins))
    assert digest.startswith("sha256:")
    assert [secret for _, secret in learned] == [TOKEN]
