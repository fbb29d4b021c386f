"""docs/troubleshooting.md has every message of the error classes, as the code has it."""

from runbook import errors
from script.docs.troubleshooting import PAGE, messages, page


def test_page_is_as_the_code_says() -> None:
    """A message that changed is changed there too: `python -m script.docs.troubleshooting` writes the page."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_class_that_stops_a_run_is_there() -> None:
    """Each class of the tree is raised somewhere with a message of its own, but for the root."""
    classes = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.RunbookError)
    }
    assert classes - messages().keys() == {"RunbookError"}
