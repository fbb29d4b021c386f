"""The other files that a Compose file names, in every form that Compose accepts."""

import pytest

from runbook.chapters.configuration.compose_text import named_in
from runbook.errors import ProductionError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("services: {api: {image: shop}}", (), id="none"),
        pytest.param("", (), id="empty"),
        pytest.param("include: [a.yml, {path: b.yml}, {path: [c, d]}]", ("a.yml", "b.yml", "c", "d"), id="include"),
        pytest.param("services: {api: {extends: {file: base.yml, service: api}}}", ("base.yml",), id="extends"),
        pytest.param("services: {api: {extends: other}, other: {extends: {service: x}}}", (), id="of-the-same-file"),
        pytest.param("services: {api: {ports: !reset [], extends: {file: base.yml}}}", ("base.yml",), id="own-tags"),
        pytest.param("x: &x {extends: {file: base.yml}}\nservices: {api: {<<: *x}}", ("base.yml",), id="merged"),
        pytest.param("services: [odd]\ninclude: 17", (), id="odd"),
    ],
)  # fmt: skip
def test_what_it_is_made_of(text: str, parts: tuple[str, ...]) -> None:
    """Files that are included or extended are found; services extended within one file name no file."""
    assert named_in("a.yml", text.encode()).parts == parts


def test_env_files_of_services() -> None:
    """Each form of `env_file` is read; a service without one is left out."""
    text = "services: {a: {env_file: .env}, b: {env_file: [x.env, {path: y.env, required: false}]}, c: {}}"
    assert named_in("a.yml", text.encode()).env_files == {"a": (".env",), "b": ("x.env", "y.env")}


@pytest.mark.parametrize("text", ["a: [", "\x00", "a: !!python/object/apply:os.system [id]", "a: &a [*a"])
def test_what_is_no_yaml(text: str) -> None:
    """An invalid file is refused with its name, and its content is not quoted."""
    with pytest.raises(ProductionError, match=r"a\.yml is not valid YAML") as caught:
        named_in("a.yml", text.encode())
    assert "os.system" not in str(caught.value)
