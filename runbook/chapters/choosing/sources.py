"""The sources of candidates that the settings name, besides the ledger."""

import re
from collections.abc import Collection, Iterator, Sequence

from runbook.chapters.context import Context
from runbook.errors import RunbookError
from runbook.hosts.host import Host
from runbook.hosts.http import HttpClient
from runbook.hosts.opening import open_host
from runbook.release import PROBE
from runbook.settings.target_sources import GitHubSource, GitLabSource, token_name
from runbook.targets.asking import Answer, Held, ask_all
from runbook.targets.registry import Registry
from runbook.targets.sources.build_logs import BuildLogs
from runbook.targets.sources.github import GitHubRuns
from runbook.targets.sources.gitlab import GitLabJobs
from runbook.targets.sources.host_images import HostImages
from runbook.targets.sources.registry_tags import RegistryTags
from runbook.targets.sources.source import Source, Through, Wanted


def ask_sources(context: Context, platform: str | None, looked_at: Collection[str]) -> list[Answer]:
    """Ask every source except the ledger. A source that is down or lacks its token is reported and stops nothing.

    The tags in `looked_at` are always looked up: those of the failed release, and the requested one.
    """
    settings, no_token = context.settings, list[Answer]()

    def connect(held: Held) -> tuple[HttpClient, Host]:
        deadline = min(settings.deadlines.http, settings.targets.deadline)
        return HttpClient(deadline, held), open_host(settings.host, held)

    sources = list(_sources(context, platform, frozenset(looked_at), no_token))
    return no_token + ask_all(sources, context.incident, connect, settings.targets.deadline)


def _sources(
    context: Context, platform: str | None, looked_at: frozenset[str], no_token: list[Answer]
) -> Iterator[Source]:
    settings, images = context.settings.targets, context.production.images_with_tag(PROBE)
    # The registry is asked for the first image, so the image with the migrations comes first.
    first = context.settings.migrations.service
    ordered = {first: images[first], **images}
    wanted = Wanted(ordered, context.production.tag_forms, re.compile(settings.pattern), settings.newest, looked_at)
    for logs in settings.logs:
        yield BuildLogs(logs, wanted)
    ci: dict[str, Sequence[GitHubSource | GitLabSource]] = {"github": settings.github, "gitlab": settings.gitlab}
    for service, entries in ci.items():
        for number, entry in enumerate(entries, 1):
            try:
                yield _ci(context, entry, token_name(service, number), wanted)
            except RunbookError as error:
                no_token.append(Answer(f"targets.{service} {number}", down=error.seen))
    if settings.registry:

        def connect(through: Through) -> Registry:
            http = context.registry_http(through.http.deadline, through.http.recorder)
            return context.registry_through(http, through.host, images[first])

        yield RegistryTags(
            connect, context.registry_through(context.http, context.host, images[first]).host, wanted, platform
        )
    if settings.host:
        yield HostImages(wanted)


def _ci(context: Context, entry: GitHubSource | GitLabSource, name: str, wanted: Wanted) -> Source:
    token = context.ci_token(name)
    if isinstance(entry, GitHubSource):
        return GitHubRuns(entry, token, "targets.github.token", wanted)
    return GitLabJobs(entry, token, "targets.gitlab.token", wanted)
