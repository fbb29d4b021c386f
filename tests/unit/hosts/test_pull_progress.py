"""The progress of a pull, from the output of Compose v2.40.3 for two images that share a layer."""

from pathlib import Path

import pytest

from runbook.hosts.pull_progress import Layer, PullProgress, without_bars

#: `docker compose pull api jobs 2>pull_output.txt`, from a registry on the same machine.
OUTPUT = Path(__file__).with_name("pull_output.txt").read_text().splitlines()


def after(lines: list[str]) -> dict[str, Layer]:
    progress = PullProgress()
    for line in lines:
        progress.read_line(line)
    return {layer.id: layer for layer in progress.layers}


def test_layers_come_in_order_and_end_on_the_host() -> None:
    """Every layer is listed once, in order, and all are done at the end."""
    layers = after(OUTPUT)
    assert list(layers) == ["d7d4c5a2d847", "0abedccddf10", "5b62f46b0b04", "2d9ef7e71349"]
    assert all(layer.is_done for layer in layers.values())


def test_layers_in_the_middle_say_how_far_they_are() -> None:
    """Halfway, layers have bytes done and bytes in total, and none is done."""
    layers = after(OUTPUT[:20])
    assert layers["d7d4c5a2d847"] == Layer("d7d4c5a2d847", "Download complete")
    assert layers["0abedccddf10"] == Layer("0abedccddf10", "Downloading", 16.78e6, 50.02e6)
    assert layers["0abedccddf10"].share == pytest.approx(0.335, abs=0.001)
    assert layers["2d9ef7e71349"] == Layer("2d9ef7e71349", "Waiting")
    assert not any(layer.is_done for layer in layers.values())


def test_layer_shared_by_two_images_does_not_start_again() -> None:
    """A finished layer stays finished when a line of another image names it again."""
    done = after(["aaaaaaaaaaaa Pull complete", "aaaaaaaaaaaa Waiting"])
    assert done["aaaaaaaaaaaa"].is_done


@pytest.mark.parametrize(
    "line",
    [
        " api Pulling ",
        " jobs Error manifest unknown",
        "Error response from daemon: manifest unknown",
        "aaaaaaaaaaaa Is being admired",
        "aaaaaaaaaaaaaaaa Downloading [==>  ]  1MB/2MB",
        'time="2025-12-18" level=warning msg="the attribute `version` is obsolete"',
        "",
        "\x1b[2J",
    ],
)
def test_other_lines_are_let_go(line: str) -> None:
    """A line that is not about a layer changes nothing and raises nothing."""
    assert after([line]) == {}


@pytest.mark.parametrize(
    ("line", "layer"),
    [
        ("aaaaaaaaaaaa Extracting 1 s", Layer("aaaaaaaaaaaa", "Extracting")),
        ("aaaaaaaaaaaa Downloading [>  ]  1.2kB", Layer("aaaaaaaaaaaa", "Downloading", 1200.0)),
        ("aaaaaaaaaaaa Downloading [>  ]  1.2.3MB/9B", Layer("aaaaaaaaaaaa", "Downloading", None, 9.0)),
        ("aaaaaaaaaaaa Already exists ", Layer("aaaaaaaaaaaa", "Already exists")),
    ],
)
def test_lines_of_other_versions(line: str, layer: Layer) -> None:
    """The state is read without a total, with a time instead of bytes, or with broken numbers."""
    assert after([line])[layer.id] == layer
    assert layer.share is None


def test_record_keeps_what_is_no_bar() -> None:
    """Progress bars are left out of the record; states, services and errors stay."""
    kept = without_bars([*OUTPUT, "Error response from daemon: manifest unknown"])
    assert len(kept) < len(OUTPUT) / 3
    assert not [line for line in kept if "[=" in line]
    assert " api Pulled " in kept
    assert kept[-1].startswith("Error")
