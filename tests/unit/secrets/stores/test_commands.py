"""Any other store, through two real commands."""

from pathlib import Path

import pytest

from runbook.errors import StoreError
from runbook.hosts.command import Command
from runbook.secrets.stores.commands import Commands
from tests.support.parts import Heard, host


def opened(folder: Path, heard: Heard | None = None, read: str = "cat value", change: str = "cat > value") -> Commands:
    (folder / "value").write_text("on\n")
    get, put = (Command(("sh", "-c", script), 10, str(folder)) for script in (read, change))
    return Commands(get, put, host(heard))


def test_value_goes_in_on_standard_input(tmp_path: Path) -> None:
    """The value is sent on standard input and is in no argument, and output is not recorded."""
    heard = Heard()
    store = opened(tmp_path, heard)
    store.set("off", store.read())
    assert (tmp_path / "value").read_text() == "off"
    assert store.read().value.get_secret_value() == "off"
    assert all(each.command.secret_output and "off" not in each.command.argv for each in heard.ended)


def test_change_of_others_is_not_overwritten(tmp_path: Path) -> None:
    """The value is read again right before it is set, so somebody else's change is not overwritten."""
    store = opened(tmp_path)
    seen = store.read()
    (tmp_path / "value").write_text("maintenance\n")
    with pytest.raises(StoreError, match="somebody else changed it after it was read"):
        store.set("off", seen)


@pytest.mark.parametrize("read", ["echo password-4711; exit 3", "true"], ids=["exit-code", "nothing"])
def test_nothing_to_read(tmp_path: Path, read: str) -> None:
    """A read that fails or prints nothing is an error with the exit code, without the output."""
    with pytest.raises(StoreError, match="expected a value and exit code 0, saw exit code") as caught:
        opened(tmp_path, read=read).read()
    assert "is: password-4711" not in str(caught.value)


def test_refused(tmp_path: Path) -> None:
    """A set command that ends with another code than 0 is an error, with the command to type."""
    store = opened(tmp_path, change="exit 4")
    with pytest.raises(StoreError, match=r"expected exit code 0, saw 4 → type it: printf %s off \| sh -c 'exit 4'"):
        store.set("off", store.read())


def test_program_is_looked_for_beforehand(tmp_path: Path) -> None:
    """The plan checks that the set command's program exists, and no more."""
    assert opened(tmp_path).settable().startswith("sh exists")
    get, put = (Command((name,), 10, str(tmp_path)) for name in ("cat", "no-such-program"))
    with pytest.raises(StoreError, match="the program no-such-program"):
        Commands(get, put, host()).settable()
