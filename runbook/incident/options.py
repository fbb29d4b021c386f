"""The options of a run: what the operator asked for beyond the settings."""

from dataclasses import asdict, dataclass

from runbook.command_hints import option_words


@dataclass(frozen=True)
class Options:
    """The options of a run: what the operator asked for beyond the settings.

    - Releases: `target` to roll back to, `forward_fix` to roll forward to, `release` to deploy, `expect` after that.
    - Decisions of a person, with the reason in `because`: `verdict`, `strategy` (one that is never chosen
      automatically), `override` (ids of steps that failed or were inconclusive), `no_migrations` (the target can live
      with the schema although no migrations are read). `accept_loss` names the revision whose loss is accepted.
    - `enable` and `disable` name a kill switch, `dump` the dump to restore. `with_configuration` restores the target's
      configuration. `close_gate_first` pauses traffic before anything else, if the failed release does harm.
    - For the review, all optional: `detected_at` (UTC), `impact`, `severity`.
    - `hosts` selects some of several hosts. Empty: all.
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
        """The options as they can be typed again."""
        return option_words(asdict(self))
