"""The workflows in docs/ci are valid by GitHub's and GitLab's published schemas, and call existing commands."""

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "tests/support/ci_schemas"
KINDS = [("github.yml", "github-workflow.json"), ("gitlab.yml", "gitlab-ci.json")]


def document(name: str) -> Any:
    """Return a workflow as CI reads it: YAML 1.2, where `on` is a string."""
    found = yaml.safe_load((ROOT / "docs/ci" / name).read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in found.items()}


def problems(schema: str, found: Any) -> list[str]:
    validator = Draft7Validator(json.loads((SCHEMAS / schema).read_text(encoding="utf-8")))
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message[:200]}" for each in validator.iter_errors(found)]


@pytest.mark.parametrize(("name", "schema"), KINDS)
def test_workflow_is_valid(name: str, schema: str) -> None:
    """The workflow is valid by its format's own schema."""
    assert problems(schema, document(name)) == []


@pytest.mark.parametrize(("name", "schema"), KINDS)
def test_schema_finds_what_is_wrong(name: str, schema: str) -> None:
    """The schemas reject an invalid job."""
    found = document(name)
    jobs = found.get("jobs", found)
    jobs["plan"] = {"stage": 7} if "jobs" not in found else {"needs": "deploy"}
    assert problems(schema, found)


def test_schemas_are_as_published() -> None:
    """The schemas' hashes match the README that names their sources."""
    told = re.findall(r"^\| `(.+?)` \|.*`([0-9a-f]{64})` \|$", (SCHEMAS / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in told} == {schema for _, schema in KINDS}
    for name, digest in told:
        assert hashlib.sha256((SCHEMAS / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", [name for name, _ in KINDS])
def test_commands_are_the_runbooks(name: str) -> None:
    """The four jobs run the runbook; the rollback waits for a person and runs only after a plan."""
    found = document(name)
    jobs = found.get("jobs", found)
    told = {job: json.dumps(jobs[job]) for job in ("pre_deploy", "deploy", "plan", "rollback")}
    assert "-m pre_deploy --release" in told["pre_deploy"]
    assert "-m post_deploy --expect" in told["deploy"]
    assert "--execute shop" in told["rollback"]
    assert [job for job, text in told.items() if "--execute" in text] == ["rollback"]
    assert all("script/ci-run" in text for text in told.values())
    assert all("junit.xml" in text for text in told.values()) or "junit.xml" in json.dumps(found[".runbook"])
    if name == "github.yml":
        assert jobs["rollback"]["environment"] == "production-rollback"
        assert "${{ inputs" not in json.dumps(jobs), "what people type stands in no command"
    else:
        assert jobs["rollback"]["when"] == "manual"
    assert jobs["rollback"]["needs"][-1] == "plan"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout where pytest prints its arguments, leaves a record, and exits with 6."""
    for folder in ("script", ".venv/bin", "reports/i-1"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "script/ci-run").write_bytes((ROOT / "script/ci-run").read_bytes())
    (tmp_path / "reports/i-1/record.html").write_text("page")
    (tmp_path / "reports/i-1/journal.jsonl").write_text("{}\n")
    for path, text in (
        (".venv/bin/pytest", '#!/bin/sh\necho "$@" > arguments\necho told\ncat last\nexit 6\n'),
        ("last", f"{tmp_path}/reports/i-1/record.html\n"),
    ):
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    return tmp_path


def ci_run(checkout: Path, *arguments: str) -> int:
    done = subprocess.run(
        ["bash", checkout / "script/ci-run", *arguments], cwd="/", capture_output=True, timeout=30, check=False
    )
    return done.returncode


def test_job_keeps_the_record(checkout: Path) -> None:
    """Options reach pytest unchanged, its exit code is returned, and all artifacts are in one folder."""
    assert ci_run(checkout, f"{checkout}/kept", "--execute", "shop") == 6
    told = (checkout / "arguments").read_text()
    assert told == f"features --junitxml {checkout}/kept/junit.xml --execute shop\n"
    kept = sorted(path.relative_to(checkout / "kept").as_posix() for path in (checkout / "kept").rglob("*.*"))
    assert kept == ["i-1/journal.jsonl", "i-1/record.html", "terminal.txt"]


def test_folder_may_be_relative_to_where_the_job_runs(checkout: Path) -> None:
    """A relative folder is relative to the job's working directory."""
    (checkout / "elsewhere").mkdir()
    script = str(checkout / "script/ci-run")
    assert subprocess.run(["bash", script, "kept"], cwd=checkout / "elsewhere", timeout=30, check=False).returncode == 6
    assert (checkout / "elsewhere/kept/i-1/record.html").is_file()


@pytest.mark.parametrize("arguments", [[], [""], ["-m", "pre_deploy"]])
def test_folder_that_is_missing_is_told(checkout: Path, arguments: list[str]) -> None:
    """Without a folder as first argument, nothing is run."""
    assert ci_run(checkout, *arguments) == 4
    assert not (checkout / "arguments").exists()


def test_results_of_the_job_before_are_not_those_of_a_refused_run(checkout: Path) -> None:
    """Old results in the folder are removed, because a refused run writes none."""
    (checkout / "kept").mkdir()
    (checkout / "kept/junit.xml").write_text("all green")
    ci_run(checkout, f"{checkout}/kept")
    assert not (checkout / "kept/junit.xml").exists()


def test_jobs_of_gitlab_share_no_folder() -> None:
    """Each GitLab job has its own folder, because a runner without a checkout does not clean up."""
    found = document("gitlab.yml")
    kept = found[".runbook"]["variables"]["KEPT"]
    assert "$CI_JOB_ID" in kept
    assert found[".runbook"]["artifacts"]["paths"] == [f"{kept}/"]
    assert found[".runbook"]["artifacts"]["reports"]["junit"] == f"{kept}/junit.xml"
    commands = [line for job in ("pre_deploy", "deploy", "plan", "rollback") for line in found[job]["script"]]
    assert sum("ci-run" in line for line in commands) == 4
    assert all('"$CI_PROJECT_DIR/$KEPT"' in line for line in commands if "ci-run" in line)


@pytest.mark.parametrize("last", ["ERROR: refused", "/etc/passwd", "reports", ""])
def test_refused_run_keeps_no_record(checkout: Path, last: str) -> None:
    """Only a record is copied, whatever the last line of output is."""
    (checkout / "last").write_text(f"{last}\n")
    assert ci_run(checkout, f"{checkout}/kept") == 6
    assert [path.name for path in (checkout / "kept").iterdir()] == ["terminal.txt"]
