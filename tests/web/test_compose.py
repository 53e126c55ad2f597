"""Dockerfile and docker-compose.yml, checked by Compose itself and by linters; no container is started."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
GIVEN = {"DB_PASSWORD": "db-secret", "FINOPS_SECRET_KEY": "site-secret"}
APP = ("setup", "web", "worker", "beat")


def run(tool: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / tool, *arguments], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **variables}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def compose(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return run("docker-compose", "--env-file", "/dev/null", "-f", "docker-compose.yml", *arguments, **variables)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    done = compose("config", "--format", "json", **GIVEN)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("missing", sorted(GIVEN))
def test_a_missing_secret_stops_compose(missing: str) -> None:
    done = compose("config", "-q", **{name: value for name, value in GIVEN.items() if name != missing})
    assert done.returncode != 0
    assert f"set {missing} in .env" in done.stderr


def test_the_example_names_every_variable_of_the_file() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    named = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert used == named


def settings_of_the_readme() -> set[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z].*?) \|", text.split("\n## Settings\n")[1].split("\n## ")[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_variable_of_the_readme_reaches_the_containers_and_is_in_the_example(project: dict[str, Any]) -> None:
    told, services = settings_of_the_readme(), project["services"]
    assert len(told) > 40
    by_image = set(re.findall(r"(FINOPS_\w+)=", (ROOT / "Dockerfile").read_text(encoding="utf-8")))
    assert by_image == {"FINOPS_BOOTSTRAP", "FINOPS_DATA_DIR"}
    for name in APP:
        owner = set() if name == "setup" else {"FINOPS_OWNER_URL"}
        never = {"FINOPS_DEBUG", "FINOPS_VENV"}  # a developer's
        assert set(services[name]["environment"]) == told - by_image - never - owner, name
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert named - {"DB_PASSWORD", "WEB_PORT"} == told - by_image - {"FINOPS_DEBUG", "FINOPS_VENV"}


def test_the_example_s_values_are_the_defaults_and_what_is_set_reaches_the_site(project: dict[str, Any]) -> None:
    example = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    found = project["services"]["setup"]["environment"]
    for name, value in example.items():
        if value and name != "WEB_PORT":
            assert found[name] == value.strip("'"), name
    given = {name: f"{name}-is-set" for name in example if name != "WEB_PORT"}
    done = compose("config", "--format", "json", **given)
    assert done.returncode == 0, done.stderr
    reached = json.loads(done.stdout)["services"]["setup"]["environment"]
    assert reached == {name: value for name, value in given.items() if name != "DB_PASSWORD"}


def test_the_site_starts_with_the_values_of_the_example_and_with_all_of_single_sign_on(project: dict[str, Any]) -> None:
    sso = {"FINOPS_OIDC_ISSUER": "https://id.example.com", "FINOPS_OIDC_CLIENT_ID": "ledger",
           "FINOPS_OIDC_ROLES": "{ledger-finance: finance}"}  # fmt: skip
    code = "from django.conf import settings as s; print(s.OIDC and s.OIDC.label, s.API_RATE, s.PROXIES, s.FX)"
    for more, told in (({}, "None"), (sso, "single sign-on")):
        given = {**project["services"]["setup"]["environment"], **more, "DJANGO_SETTINGS_MODULE": "finops.settings"}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PATH": "/usr/bin:/bin", **given}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.stdout.strip() == f"{told} 1200/min 0 transaction", done.stderr


def test_everything_waits_for_what_it_needs(project: dict[str, Any]) -> None:
    services = project["services"]
    assert set(services) == {*APP, "db", "broker"}
    for name in ("web", "worker", "beat"):
        assert services[name]["depends_on"]["db"]["condition"] == "service_healthy"
        assert services[name]["depends_on"]["broker"]["condition"] == "service_healthy"
        assert services[name]["depends_on"]["setup"]["condition"] == "service_completed_successfully"
    for name in ("worker", "beat", "db", "broker"):
        assert services[name]["healthcheck"]["test"]


def test_only_the_web_server_is_reachable_and_only_from_this_machine(project: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in project["services"].items() if service.get("ports")}
    assert set(published) == {"web"}
    assert [(port["host_ip"], port["target"]) for port in published["web"]] == [("127.0.0.1", 8000)]


def test_images_have_a_version_and_data_a_named_volume(project: dict[str, Any]) -> None:
    for name, service in project["services"].items():
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name
        assert all(volume["type"] == "volume" for volume in service.get("volumes", ())), name
    targets = {volume["target"] for volume in project["services"]["db"]["volumes"]}
    assert targets == {"/var/lib/postgresql"}, "postgres:18 keeps its data there, not in .../data"


def test_commands_and_variables_exist(project: dict[str, Any]) -> None:
    commands = get_commands()
    code = "".join(
        path.read_text(encoding="utf-8") for folder in ("finops", "web") for path in (ROOT / folder).rglob("*.py")
    )
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name in APP:
        service = project["services"][name]
        command = service.get("command") or re.findall(r'"([^"]+)"', dockerfile.rsplit("CMD", 1)[1])
        assert command[:2] == ["python", "manage.py"]
        assert command[2] in commands
        for variable in service["environment"]:
            assert f'"{variable}"' in code, f"{variable} is read nowhere"
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_the_schema_of_compose_holds() -> None:
    done = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert done.returncode == 0, done.stdout


def test_the_dockerfile_passes_its_linter_and_runs_as_nobody_special() -> None:
    done = run("hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert next(line for line in reversed(lines) if line.startswith("USER")) != "USER root"
    assert any("--require-hashes" in line for line in lines)


def test_secrets_and_the_environment_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {".env", ".git", ".venv", ".finops"} <= set(ignored)
