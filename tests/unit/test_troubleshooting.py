"""docs/troubleshooting.md has every message of the error classes, as in the code."""

from runbook import errors
from script.docs.troubleshooting import PAGE, messages, page


def test_page_is_as_the_code_says() -> None:
    """The page matches the code's messages. Write it with `python -m script.docs.troubleshooting`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_class_that_stops_a_run_is_there() -> None:
    """Each error class except the base class is raised somewhere with its own message."""
    classes = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.RunbookError)
    }
    assert classes - messages().keys() == {"RunbookError"}
