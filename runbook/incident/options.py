"""What the person who runs the runbook asked for, beyond the settings."""

from dataclasses import asdict, dataclass

from runbook.command_hints import option_words


@dataclass(frozen=True)
class Options:
    """What the person who runs the runbook asked for, beyond the settings.

    `target` names the release to return to, `forward_fix` the one to go on with; `accept_loss` the revision by which a
    loss is accepted; `verdict` is a human's, given `because`; `enable` and `disable` name a switch. `override` has
    the ids of steps that a human vouches for, if they cannot be checked, `because`.
    """

    target: str | None = None
    forward_fix: str | None = None
    accept_loss: str | None = None
    verdict: str | None = None
    because: str | None = None
    enable: str | None = None
    disable: str | None = None
    override: tuple[str, ...] = ()

    @property
    def typed(self) -> list[str]:
        """The options that ask for this, in words that can be typed again."""
        return option_words(asdict(self))
