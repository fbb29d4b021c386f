"""The address of the production host in the settings. An invalid one is refused with the reason."""

import json
from pathlib import Path

import pytest

from runbook.errors import SettingsError
from runbook.settings.host import SshAddress
from runbook.settings.loading.loader import load
from tests.support.parts import SETTINGS


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("ssh://deploy@shop-1", ("-l", "deploy", "--", "shop-1")),
        ("ssh://deploy@Shop-1.example", ("-l", "deploy", "--", "Shop-1.example")),
        ("ssh://shop-1", ("--", "shop-1")),
        ("ssh://deploy@shop-1:2222", ("-p", "2222", "-l", "deploy", "--", "shop-1")),
        ("ssh://deploy@192.0.2.7", ("-l", "deploy", "--", "192.0.2.7")),
        ("ssh://deploy@[fd00::7]:2222", ("-p", "2222", "-l", "deploy", "--", "fd00::7")),
        ("ssh://[fe80::1%eth0]", ("--", "fe80::1%eth0")),
    ],
)
def test_address(written: str, words: tuple[str, ...]) -> None:
    """User, host and port become separate arguments of ssh, with the host after `--`."""
    address = SshAddress.parse(written)
    assert address.words == words
    assert str(address) == written


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("shop-1", "no scheme"),
        ("deploy@shop-1", "no scheme"),
        ("", "no scheme"),
        ("tcp://shop-1", "'tcp'"),
        ("https://shop-1", "'https'"),
        ("ssh://", "no host"),
        ("ssh://deploy@", "no host"),
        ("ssh://@shop-1", "the user is ''"),
        ("ssh://deploy:geheim@shop-1", "it has a password"),
        ("ssh://deploy@shop-1/srv/shop", "project.directory"),
        ("ssh://deploy@shop-1/", "project.directory"),
        ("ssh://deploy@shop-1?x=1", "project.directory"),
        ("ssh://deploy@shop-1:ssh", "port"),
        ("ssh://deploy@shop-1:0", "port is 0"),
        ("ssh://deploy@shop-1:99999", "port"),
        ("ssh://deploy@[fd00::7", "brackets"),
        ("ssh://-oProxyCommand=touch@shop-1", "the user is '-oProxyCommand=touch'"),
        ("ssh://-oProxyCommand=touch", "the host is '-oProxyCommand=touch'"),
        ("ssh://deploy@shop-1\n", "line break"),
        ("ssh://de ploy@shop-1", "a space"),
        ("ssh://de!ploy@shop-1", "the user is 'de!ploy'"),
    ],
)
def test_address_that_cannot_be_meant(tmp_path: Path, written: str, seen: str) -> None:
    """The refusal names the key, what was found and what was expected, and does not show a password."""
    path = tmp_path / "runbook.toml"
    path.write_text(f"{SETTINGS}\n[host]\naddress = {json.dumps(written)}\n")
    with pytest.raises(SettingsError) as caught:
        load(path)
    assert "host.address: " in caught.value.seen
    assert seen in caught.value.seen
    assert "expected ssh://USER@HOST or ssh://USER@HOST:PORT" in caught.value.seen
    assert "geheim" not in str(caught.value)


def test_configuration_lies_beside_the_settings(tmp_path: Path) -> None:
    """`ssh_config` is relative to the settings file, wherever pytest is started."""
    path = tmp_path / "runbook.toml"
    path.write_text(f'{SETTINGS}\n[host]\naddress = "ssh://shop-1"\nssh_config = "ci/ssh_config"\n')
    assert load(path).host.ssh_config == tmp_path / "ci/ssh_config"


def test_configuration_for_nothing(tmp_path: Path) -> None:
    """`ssh_config` without an address is refused, because it would be ignored."""
    path = tmp_path / "runbook.toml"
    path.write_text(f'{SETTINGS}\n[host]\nssh_config = "ssh_config"\n')
    with pytest.raises(SettingsError, match=r"host\.ssh_config is for a host with an address"):
        load(path)


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.1", "http://[::1]:8080"])
def test_public_address_of_this_machine_is_not_that_of_another(tmp_path: Path, url: str) -> None:
    """A loopback public URL is refused if the production host is another machine."""
    path = tmp_path / "runbook.toml"
    text = SETTINGS.replace("https://shop.example", url)
    path.write_text(f'{text}\n[host]\naddress = "ssh://shop-1"\n')
    with pytest.raises(SettingsError, match="expected the address at which users reach the service"):
        load(path)
    path.write_text(text)
    load(path)


def several(path: Path, hosts: str, *, database: str = "", more: str = "") -> Path:
    """Write and return a settings file for several hosts."""
    path.write_text(f"hosts = {hosts}\n{SETTINGS.replace('[database]', f'[database]{chr(10)}{database}')}\n{more}")
    return path


def test_several_hosts_are_the_same_but_for_what_each_says(tmp_path: Path) -> None:
    """Each host has the shared settings with its own address and overrides, in the order of the file."""
    second = '{ address = "ssh://10.0.0.2", name = "shop-2", public_url = "https://two.example" }'
    path = several(tmp_path / "runbook.toml", f'["ssh://deploy@shop-1", {second}]', database='hosts = "each"')
    found = load(path).on_each()
    assert list(found) == ["shop-1", "shop-2"]
    first, second = found.values()
    assert first.traffic is not None
    assert second.traffic is not None
    assert (first.host.address, second.host.address) == ("ssh://deploy@shop-1", "ssh://10.0.0.2")
    assert (first.traffic.public_url, second.traffic.public_url) == ("https://shop.example", "https://two.example")
    assert first.project == second.project
    assert first.hosts == ()


@pytest.mark.parametrize(
    ("hosts", "database", "more", "told"),
    [
        ('["ssh://shop-1"]', 'hosts = "each"', "", "expected two hosts or more"),
        ('["ssh://shop-1", "ssh://a@shop-1"]', 'hosts = "each"', "", "two hosts have the same name"),
        ('["ssh://shop-1", "shop-2"]', 'hosts = "each"', "", "there is no scheme"),
        ('["ssh://a", "ssh://b"]', 'hosts = "each"', '[host]\naddress = "ssh://c"\n', "both are set"),
        ('["ssh://a", "ssh://b"]', "", "", "expected database.hosts"),
        ('["ssh://a", "ssh://b"]', 'hosts = "shared"', "", "expected database.url"),
        ("[]", 'hosts = "each"', "", "database.hosts is for several hosts"),
    ],
)
def test_several_hosts_that_cannot_be_meant(tmp_path: Path, hosts: str, database: str, more: str, told: str) -> None:
    """Settings that are not clear are refused: a single host, equal names, an unassigned database."""
    with pytest.raises(SettingsError) as caught:
        load(several(tmp_path / "runbook.toml", hosts, database=database, more=more))
    assert told in str(caught.value)
