"""The options of the command line, and the combinations that are refused."""

import pytest

from harness.session.retyped import Typed
from runbook.chapters.strategy import checked_verdict
from runbook.clock import in_utc, utc_now
from runbook.errors import SettingsError
from runbook.incident.facts import Strategy
from runbook.incident.options import Options
from runbook.release import checked_tag
from runbook.text import one_line

#: The marks of runs that only validate.
VALIDATIONS = ("post_deploy", "pre_deploy")
#: The marks of runs that change production and are no rollback.
WHOLE_BY_MARK = ("emergency", "restore")


def asked_for(config: pytest.Config) -> Options:
    """Return the options as typed. Raises SettingsError or TargetError, each with a full command to type instead."""
    option, typed = config.option, Typed.by(config)
    _refuse_empty(config, typed)
    if option.enable and option.disable:
        again = typed.without("--enable")
        raise SettingsError("--enable and --disable together: turn one switch at a time", f"type {again}")
    if (option.enable or option.disable) and "emergency" not in option.markexpr:
        again = typed.without("-m").plus("-m", "emergency")
        raise SettingsError("--enable and --disable need -m emergency", f"type {again}")
    if option.override and not (option.because or "").strip():
        again = typed.without("--because").plus("--because", "how you know")
        raise SettingsError("--override needs --because: the reason goes into the record", f"type {again}")
    if option.no_migrations and not (option.because or "").strip():
        again = typed.without("--because").plus("--because", "how you know")
        raise SettingsError("--no-migrations needs --because: the reason goes into the record", f"type {again}")
    if option.strategy and (option.strategy != Strategy.BRIDGE or not (option.because or "").strip()):
        again = typed.without("--strategy", "--because").plus("--strategy", Strategy.BRIDGE, "--because", "why")
        raise SettingsError(
            f"--strategy {option.strategy}{'' if option.because else ' without --because'}: only the bridge can be"
            " chosen, with --because; the verdict decides every other strategy",
            f"to choose it, type {again}",
        )
    if option.strategy and option.forward_fix:
        again = typed.without("--strategy")
        raise SettingsError(
            "--strategy and --forward-fix together: choose one direction", f"to go forward, type {again}"
        )
    if option.to and option.forward_fix:
        again = typed.without("--forward-fix")
        raise SettingsError("--to and --forward-fix together: choose one direction", f"to go back, type {again}")
    if option.with_configuration and option.markexpr.strip():
        again = typed.without("--with-configuration")
        raise SettingsError("--with-configuration needs a rollback, and none is selected", f"type {again}")
    _refuse_release_elsewhere(config, typed)
    if (option.markexpr.strip() == "restore") is not bool(option.dump) and not option.resume:
        again = typed.without("-m", "--dump").plus("-m", "restore", "--dump", option.dump or "FILE")
        raise SettingsError("-m restore needs --dump FILE, and --dump needs -m restore", f"type {again}")
    return Options(
        target=checked_tag(option.to) if option.to else None,
        forward_fix=checked_tag(option.forward_fix) if option.forward_fix else None,
        accept_loss=option.accept_loss,
        verdict=checked_verdict(option.verdict, option.because),
        strategy=option.strategy,
        because=option.because,
        enable=option.enable,
        disable=option.disable,
        override=tuple(option.override),
        release=checked_tag(option.release) if option.release else None,
        expect=checked_tag(option.expect) if option.expect else None,
        dump=option.dump,
        no_migrations=option.no_migrations,
        with_configuration=option.with_configuration,
        close_gate_first=option.close_gate_first,
        detected_at=_detected(option.detected_at, typed),
        impact=one_line(option.impact) if option.impact else None,
        severity=one_line(option.severity) if option.severity else None,
        hosts=tuple(dict.fromkeys(filter(None, map(str.strip, (option.hosts or "").split(","))))),
    )


def _refuse_empty(config: pytest.Config, typed: Typed) -> None:
    """Refuse an empty option: an unset variable of a CI job must not count as if the option was left out."""
    for name in (
        "to",
        "forward_fix",
        "release",
        "expect",
        "accept_loss",
        "verdict",
        "strategy",
        "enable",
        "disable",
        "dump",
        "impact",
        "severity",
        "hosts",
    ):
        value, flag = getattr(config.option, name), f"--{name.replace('_', '-')}"
        if value is not None and not value.strip():
            again = typed.without(flag).plus(*((flag, "TAG") if name == "release" else ()))
            raise SettingsError(f"{flag} has no value; is a variable unset?", f"without it, type {again}")


def _detected(given: str | None, typed: Typed) -> str | None:
    """Return the time of detection in UTC. Raises SettingsError if it is not a time, or is in the future."""
    if given is None:
        return None
    again = f"with the time for TIME, type {typed.without('--detected-at').plus('--detected-at', 'TIME')}"
    try:
        found = in_utc(given)
    except (ValueError, OverflowError):
        raise SettingsError(f"--detected-at {given}, expected a time such as 2026-01-31T03:05Z", again) from None
    if found > utc_now():
        raise SettingsError(f"--detected-at {given} is in the future; a time without a zone is UTC", again)
    return found


def _refuse_release_elsewhere(config: pytest.Config, typed: Typed) -> None:
    """Refuse `--release` or `--expect` without its mark, and `-m pre_deploy` without `--release`."""
    option, mark = config.option, config.option.markexpr.strip()
    if mark == "pre_deploy" and not option.release:
        again = typed.without("--execute", "--expect", "--release").plus("--release", "TAG")
        asked = "name the release to deploy"
        raise SettingsError(f"-m pre_deploy without --release: {asked}", f"with its image tag for TAG, type {again}")
    belong = {"--release": (option.release, "pre_deploy"), "--expect": (option.expect, "post_deploy")}
    for flag, (given, wanted) in belong.items():
        if given and mark != wanted:
            others = belong.keys() - {flag}
            again = typed.without("-m", "--execute", *others).plus("-m", wanted)
            raise SettingsError(f"{flag} {given} without -m {wanted} has no effect", f"type {again}")
