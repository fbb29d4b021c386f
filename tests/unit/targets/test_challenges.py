"""`WWW-Authenticate`: several challenges, in one header or in several, are separated (RFC 9110, 11.6.1)."""

import pytest

from runbook.targets.challenges import Challenge, challenges_in

BEARER = Challenge("bearer", {"realm": "https://auth.example/token", "service": "reg"})
BASIC = Challenge("basic", {"realm": "Registry"})


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param('Bearer realm="https://auth.example/token",service="reg"', [BEARER], id="one"),
        pytest.param(
            'Bearer realm="https://auth.example/token",service="reg", Basic realm="Registry"', [BEARER, BASIC], id="two"
        ),
        pytest.param(
            'Basic realm="Registry", Bearer realm="https://auth.example/token", service="reg"',
            [BASIC, BEARER],
            id="the-other-first",
        ),
        pytest.param("bEARER REALM=https://auth.example/token , Service = reg", [BEARER], id="unquoted"),
        pytest.param(
            "Bearer realm=https://auth.example/token?a=b,service=reg",
            [Challenge("bearer", {"realm": "https://auth.example/token?a=b", "service": "reg"})],
            id="unquoted-with-a-query",
        ),
        pytest.param(
            'Bearer realm="https://a.example/t",scope="repository:a:pull,push", Basic realm="a, b=\\"c\\" Bearer"',
            [
                Challenge("bearer", {"realm": "https://a.example/t", "scope": "repository:a:pull,push"}),
                Challenge("basic", {"realm": 'a, b="c" Bearer'}),
            ],
            id="commas-and-quotes-in-quotes",
        ),
        pytest.param(
            'Negotiate, NTLM TlRMTVNTUAAB==, Basic realm="Registry"',
            [Challenge("negotiate", {}), Challenge("ntlm", {}), BASIC],
            id="without-parameters",
        ),
        pytest.param(",, Basic realm=Registry,,", [BASIC], id="empty-elements"),
        pytest.param('Basic realm=""', [Challenge("basic", {"realm": ""})], id="empty-realm"),
        pytest.param('Basic realm="Registry", realm="x"', [BASIC], id="twice"),
        pytest.param('Basic realm="Registry" Bearer realm="x"', [BASIC, Challenge("bearer", {"realm": "x"})], id="gap"),
        pytest.param("", [], id="empty"),
        pytest.param('"', [], id="no-challenge"),
    ],
)
def test_challenges_are_read_apart(header: str, expected: list[Challenge]) -> None:
    """Each challenge has its own parameters."""
    assert challenges_in(header) == expected


def test_quote_without_an_end_ends_the_reading() -> None:
    """A truncated header gives no value for the parameter that was cut off."""
    assert all("realm" not in each.parameters for each in challenges_in('Bearer realm="https://auth.exam'))


def test_long_header_is_read_quickly() -> None:
    """A header of 100,000 characters is parsed without excessive backtracking."""
    for piece in ("a" * 100_000, "a " * 50_000, 'a="' + "\\" * 100_000, "a=b," * 25_000, " ," * 50_000):
        challenges_in(f"Basic {piece}")
