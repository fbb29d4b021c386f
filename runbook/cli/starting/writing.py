"""The settings file written from the inspection: each guess has its reason, and no secret is in it."""

import json
from collections.abc import Iterator

from runbook.cli.starting.seen import Answer, Seen

_HEAD = """\
# Settings of the rollback runbook for {name}, written by `runbook init` from what it saw on {day}.
# A comment gives the reason for each value. Values that were not seen are left out, or are comments. docs/settings.md
# explains every key. This file has no secrets, only their places. Next: runbook doctor
"""


def written(seen: Seen, day: str) -> str:
    """Return the text of the file; `day` is today."""
    parts = (_project, _registry, _database, _migrations, _traffic, _health, _metrics, _people)
    sections = ["\n".join(part(seen)) for part in parts]
    return "\n\n".join([_HEAD.format(name=seen.name, day=day), *filter(None, sections)]) + "\n"


#: The state of the migrations by Django's classes: the newest row of each app, and the leaf nodes of its files.
_CURRENT = (
    "from django.db import connection as c; from django.db.migrations.recorder import MigrationRecorder as R",
    "n in R(c).migration_qs.filter(app=a).order_by('-id').values_list('name', flat=True)[:1]",
)
_HEADS = ("from django.db.migrations.loader import MigrationLoader as L", "_, n in L(None).graph.leaf_nodes(a)")


def _text(value: object) -> str:
    # A JSON string is a valid basic string of TOML.
    return json.dumps(value, ensure_ascii=False)


def _project(seen: Seen) -> Iterator[str]:
    yield "[project]"
    yield "# From the labels of its containers."
    yield f"name = {_text(seen.name)}"
    yield f"directory = {_text(seen.directory)}"
    yield f"env_file = {_text(seen.env_file)}"
    if seen.tag_variable and seen.services:
        yield f"# With another value of this variable Compose would run other images of {', '.join(seen.services)}."
        yield f"tag_variable = {_text(seen.tag_variable)}"
        yield f"services = {_text(list(seen.services))}"
        if seen.others:
            yield f"# Not included, because their images do not follow it: {', '.join(seen.others)}."
        if seen.at_rest:
            yield f"# Not included, because none of their containers is running: {', '.join(seen.at_rest)}."
    else:
        yield "# NOT SEEN: a variable of the env file that changes the tag of an image. Write in the Compose file"
        yield "#   image: registry.example.com/shop/api:${IMAGE_TAG}"
        yield "# and name the variable and the services here."
        yield '#tag_variable = "IMAGE_TAG"'
        yield '#services = ["api", "jobs"]'


def _registry(seen: Seen) -> Iterator[str]:
    yield "# The registry is the one in the images' names, with docker's login. For another user:"
    yield "#[registry]"
    yield f"#url = {_text(seen.registry or 'https://registry.example.com')}"
    yield '#username = "deploy"'
    yield '#password = { file = "/etc/rollback-runbook/registry_password" }'


def _database(seen: Seen) -> Iterator[str]:
    if seen.database:
        yield "[database]"
        yield f"# {seen.database} runs PostgreSQL; user and name are from its container's environment."
        yield f"service = {_text(seen.database)}"
        yield f"user = {_text(seen.database_user)}"
        yield f"name = {_text(seen.database_name)}"
    elif seen.database_url:
        yield "[database]"
        yield "# No service runs PostgreSQL, but the env file has this variable. psql must be on this host, or in"
        yield "# an image that `image` names."
        yield f"url = {{ env_file = {_text(seen.database_url)} }}"
        yield '#image = "postgres:16"'
    else:
        yield "# NOT SEEN: a database. Without one the schema is not checked; a rollback needs --no-migrations."
        yield "#[database]"
        yield '#url = { file = "/etc/rollback-runbook/database_url" }'


def _migrations(seen: Seen) -> Iterator[str]:
    configs = [path for path in seen.migrations if path.endswith(("alembic.ini", "pyproject.toml"))]
    if configs:
        yield "[migrations]"
        told = "has a section [tool.alembic], and is" if configs[0] == "pyproject.toml" else "is"
        yield f"# {configs[0]} {told} in the working directory of {seen.services[0]}."
        yield f"service = {_text(seen.services[0])}"
        yield f"config = {_text(configs[0])}"
        if "Flask-Migrate" in seen.migrations:
            flask = (
                ["flask"]
                if any(path.endswith("/flask") for path in seen.migrations)
                else [_python(seen), "-m", "flask"]
            )
            yield "# Its env.py is Flask-Migrate's, which only works with flask's commands."
            yield f"upgrade = {_text([*flask, 'db', 'upgrade', '{revision}'])}"
            yield f"downgrade = {_text([*flask, 'db', 'downgrade', '{revision}'])}"
            yield f"trial = {_text([*flask, 'db', 'current'])}"
    elif "manage.py" in seen.migrations:
        yield from _django(seen)
    elif seen.services:
        yield f"# NOT SEEN: a configuration of Alembic in {seen.services[0]}. If nothing migrates its schema:"
        yield "#[migrations]"
        yield '#tool = "none"'


def _python(seen: Seen) -> str:
    """Return the name of Python on the PATH of the application's image."""
    names = [path.rpartition("/")[2] for path in seen.migrations]
    return next((name for name in names if name.startswith("python")), "python3")


def _django(seen: Seen) -> Iterator[str]:
    """Yield the [migrations] section for Django. It uses manage.py, so the application needs no additions."""
    apps = [path.split("/")[0] for path in seen.migrations if "/migrations/0001_" in path]
    mark = "" if apps else "#"
    told = (
        f"has migrations in {', '.join(dict.fromkeys(apps))}" if apps else "has its migrations elsewhere: name the apps"
    )
    yield f"# {seen.services[0]} has Django's manage.py, and {told}."
    yield f"{mark}[migrations]"
    yield f'{mark}tool = "own"'
    yield f"{mark}service = {_text(seen.services[0])}"
    python = _python(seen)
    names = sorted(dict.fromkeys(apps)) or ["shop"]
    shown = "a, n, sep='.'" if len(names) > 1 else "n"
    for key, setup, look in (("current", *_CURRENT), ("heads", *_HEADS)):
        code = f"{setup}; [print({shown}) for a in {names} for {look}]"
        words = [python, "manage.py", "shell", "-v", "0", "-c", code]
        yield f"{mark}{key} = {_text(words)}"
    if len(names) == 1:
        words = [python, "manage.py", "migrate", names[0], "{revision}"]
        yield f"{mark}downgrade = {_text(words)}"
    else:
        yield "# No downgrade: each of the apps has its own revision, so they go back by hand."


def _traffic(seen: Seen) -> Iterator[str]:
    if not seen.public_url:
        yield "# NOT SEEN: a published port. Name the address at which users reach the application."
        yield "#[traffic]"
        yield '#public_url = "https://shop.example.com"'
        return
    yield "[traffic]"
    yield f"# {seen.gateway or seen.services[0]} publishes this port. If users type another address, name that."
    yield f"public_url = {_text(seen.public_url)}"
    if 0 < seen.public_status < 400:
        yield f"# {seen.public_path} answers {seen.public_status} there."
    else:
        told = f"answers {seen.public_status}" if seen.public_status else "gives no answer"
        yield f"# NOT SEEN: a path that the application answers with a status below 400; / {told}."
    yield f"check_path = {_text(seen.public_path)}"
    yield "# NOT SEEN: how traffic is paused. Without these three, requests can fail during the switch."
    yield "# docs/runbook.example.toml has them for nginx, HAProxy and Traefik."
    if seen.gateway:
        yield f"# {seen.gateway} runs {seen.gateway_image}."
    for word, argument in (("pause", "close"), ("resume", "open"), ("state", "state")):
        yield f'#{word} = {{ service = {_text(seen.gateway or "gateway")}, command = ["gate", "{argument}"] }}'


def _health(seen: Seen) -> Iterator[str]:
    # 503 with a JSON object also counts: the application is not ready at this moment.
    asked = {
        path: answer
        for path, answer in seen.answers.items()
        if path != "/metrics" and (answer.status == 200 or (answer.status == 503 and answer.json))
    }
    first = ("/readyz", "/ready", "/health", "/health/", seen.checked_path)
    ready = next((asked[path] for path in first if path in asked), next(iter(asked.values()), None))
    if ready is None:
        if seen.has_health_check:
            yield "[health]"
            yield "# No usual health path answers, but the container has a health check."
            yield f"service = {_text(seen.services[0])}"
            yield 'readiness = "container"'
        else:
            yield "# NOT SEEN: a health path of the application, or a health check of its container."
            yield "#[health]"
            yield '#readiness_path = "/readyz"'
        return
    live = next((asked[path] for path in ("/livez", "/healthz", "/healthz/", "/ping") if path in asked), ready)
    yield "[health]"
    also = "" if live == ready else f", and {live.path} {live.status}"
    now = f"{ready.path} answers {ready.status}{also}"
    yield f"# {now} at this port of {seen.services[0]}."
    yield f"service = {_text(seen.services[0])}"
    yield f"port = {seen.port}"
    yield f"liveness_path = {_text(live.path)}"
    yield f"readiness_path = {_text(ready.path)}"
    yield from _readiness(ready)


def _readiness(ready: Answer) -> Iterator[str]:
    parts = [str(key) for key, value in (ready.json or {}).items() if isinstance(value, bool)]
    words = {
        str(k): v
        for k, v in (ready.json or {}).items()
        if isinstance(v, str) and v.lower() in ("ok", "up", "pass", "healthy")
    }
    if parts:
        yield "# The members of its answer that are true or false."
        yield f"required = {_text(parts)}"
        yield f"behind_schema_may_be_false = {_text([k for k in parts if k in ('ready', 'migrations_current')])}"
    elif words:
        yield "# Members of its answer, with their values now."
        yield f"values = {{ {', '.join(f'{_text(key)} = {_text(value)}' for key, value in words.items())} }}"
    else:
        yield "# Its answer has no members that are true or false."
        yield 'readiness = "status"'


def _metrics(seen: Seen) -> Iterator[str]:
    answer = seen.answers.get("/metrics")
    token = next((name for name in seen.variables if "METRICS" in name and "TOKEN" in name), "")
    if answer is None or answer.status not in (200, 401, 403):
        yield "# NOT SEEN: a metrics page."
        yield "#[metrics]"
        yield '#path = "/metrics"'
        return
    closed, mark = answer.status != 200, "" if seen.public_url and (token or answer.status == 200) else "#"
    how = "so a token opens it" if closed else "without a token"
    yield f"# {seen.services[0]} answers {answer.status} at /metrics, {how}."
    yield f"{mark}[metrics]"
    yield f'{mark}path = "/metrics"'
    if closed:
        yield f"{mark}token = {{ env_file = {_text(token or 'METRICS_TOKEN')} }}"


def _people(_seen: Seen) -> Iterator[str]:
    yield "# The incident channel and the ticket tracker cannot be seen."
    yield "#[announcement]"
    yield '#url = { file = "/etc/rollback-runbook/announcement_url" }'
    yield "#[ticket]"
    yield '#repository = "example/shop"'
    yield '#token = { env = "RUNBOOK_TICKET_TOKEN" }'
