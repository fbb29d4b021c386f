"""What the person who runs the runbook asked for, beyond the settings."""

from dataclasses import asdict, dataclass

from runbook.command_hints import option_words


@dataclass(frozen=True)
class Options:
    """What the person who runs the runbook asked for, beyond the settings.

    `target` names the release to return to, `forward_fix` the one to go on with; `accept_loss` the revision by which a
    loss is accepted; `verdict` is a human's, given `because`; `strategy` is one that only a person chooses, `because`.
    `enable` and `disable` name a switch. `override` has
    the ids of steps that a human vouches for, if they cannot be checked, `because`. `release` is the one that would be
    deployed, `expect` the one that must run after a deploy. `no_migrations` says, `because`, that the target can live
    with the schema where no migrations are looked at. `with_configuration` restores the target's configuration.
    `dump` names the one that is restored.
    `close_gate_first` pauses traffic before anything else, since the failed release does harm while it serves.
    `detected_at` (UTC), `impact` and `severity` are for the review: nobody is asked for them. `hosts` are the names of
    those of several hosts that are meant, none for all.
    """

    target: str | None = None
    forward_fix: str | None = None
    accept_loss: str | None = None
    verdict: str | None = None
    strategy: str | None = None
    because: str | None = None
    enable: str | None = None
    disable: str | None = None
    override: tuple[str, ...] = ()
    release: str | None = None
    expect: str | None = None
    dump: str | None = None
    no_migrations: bool = False
    with_configuration: bool = False
    close_gate_first: bool = False
    detected_at: str | None = None
    impact: str | None = None
    severity: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def typed(self) -> list[str]:
        """The options that ask for this, in words that can be typed again."""
        return option_words(asdict(self))
