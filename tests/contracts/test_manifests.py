"""What deploys the platform agrees with the code: names, rights, settings, commands; and clusters would take it."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import prometheus_client
import pytest
import typer
import yaml
from typer.testing import CliRunner

from deploy import render
from deploy.docker import prepare_kafka
from local import cli
from services.notify.settings import NotifySettings
from shared.messaging.kafka import client_options
from shared.messaging.topics import SERVICES, TOPICS, USERS, rules
from shared.settings import Settings
from shared.telemetry import metrics

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "k8s" / "base"
KUBERNETES = "1.33"
# Kinds of Strimzi and CloudNativePG: their schemas come with those operators, not with Kubernetes.
OPERATORS = {"kafka.strimzi.io/v1", "postgresql.cnpg.io/v1"}
# Variables that others than our settings read: the server, the TLS library, PostgreSQL's client, Kubernetes itself.
NOT_OURS = {"FORWARDED_ALLOW_IPS", "SSL_CERT_FILE", "PGSSLROOTCERT", "DATABASE_PASSWORD"}
SETTINGS = {f"VONGTAY_{name.upper()}" for name in Settings.model_fields} | {
    f"VONGTAY_NOTIFY_{name.upper()}" for name in NotifySettings.model_fields
}


@cache
def manifests() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for path in sorted([*(DEPLOY / "k8s").rglob("*.yaml"), DEPLOY / "observability" / "collector-deployment.yaml"]):
        if path.name != "kustomization.yaml":
            found += [
                (str(path.relative_to(DEPLOY)), one) for one in yaml.safe_load_all(path.read_text("utf-8")) if one
            ]
    return found


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for _, one in manifests() if one["kind"] == kind]


@cache
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return found


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in of_kind("Deployment") + of_kind("Job")
    ]


@pytest.mark.parametrize(("place", "manifest"), manifests(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_cluster_takes_every_manifest(place: str, manifest: dict[str, Any]) -> None:
    if manifest["apiVersion"] in OPERATORS:
        assert manifest["kind"] in {"Kafka", "KafkaNodePool", "KafkaTopic", "KafkaUser", "Cluster", "Database"}, place
        assert manifest["metadata"]["name"]
        assert manifest["spec"]
    else:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_a_wrong_manifest_would_be_noticed() -> None:
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": "8600"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("folder", [BASE, DEPLOY / "observability", DEPLOY / "k8s" / "overlays" / "example"])
def test_kustomize_lists_every_file_and_only_those(folder: Path) -> None:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    files = {name for name in listed["resources"] if name.endswith(".yaml")}
    files |= {name for made in listed.get("configMapGenerator", []) for name in made["files"]}
    present = {path.name for path in folder.iterdir() if path.suffix in {".yaml", ".json"}} - {"kustomization.yaml"}
    assert files == present
    for name in set(listed["resources"]) - files:
        assert (folder / name / "kustomization.yaml").resolve().is_file(), name


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not on this machine")
def test_the_overlay_builds() -> None:
    command = ["kubectl", "kustomize", str(DEPLOY / "k8s" / "overlays" / "example")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert {one["metadata"].get("namespace", "vongtay") for one in built} == {"vongtay"}
    assert "example.vn" not in done.stdout
    for one in built:
        if one["apiVersion"] not in OPERATORS:
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


RENDERED = render.rendered()


@pytest.mark.parametrize("name", sorted(RENDERED))
def test_what_follows_from_the_code_is_written_down(name: str) -> None:
    assert (BASE / name).read_text("utf-8") == RENDERED[name], "run: .venv/bin/python -m deploy.render"


def test_the_brokers_topics_are_the_codes_topics() -> None:
    prefix = Settings(environment="test").topic_prefix
    found = {one["spec"]["topicName"]: one["spec"] for one in of_kind("KafkaTopic")}
    assert set(found) == {prefix + topic.name for topic in TOPICS}
    for topic in TOPICS:
        spec = found[prefix + topic.name]
        assert spec["partitions"] == topic.partitions
        assert spec["config"].items() >= topic.config().items()


def test_the_brokers_rules_are_the_codes_rules() -> None:
    granted = set()
    for user in of_kind("KafkaUser"):
        for acl in user["spec"].get("authorization", {}).get("acls", []):
            resource = acl["resource"]
            for operation in acl["operations"]:
                granted.add(
                    (user["metadata"]["name"], resource["type"], resource["name"], resource["patternType"], operation)
                )
    wanted = {
        (rule.user, rule.resource, rule.name, "prefix" if rule.prefixed else "literal", operation.capitalize())
        for rule in rules(Settings(environment="test").topic_prefix)
        for operation in rule.operations
    }
    assert granted == wanted
    assert {one["metadata"]["name"] for one in of_kind("KafkaUser")} == {*USERS, "kafka-admin"}


def test_one_servers_broker_is_asked_for_every_rule_of_the_code() -> None:
    wanted = rules(Settings(environment="test").topic_prefix)
    made = [request for rule in wanted for request in prepare_kafka.requests(rule)]
    assert len(made) == sum(len(rule.operations) for rule in wanted)
    assert {rule.resource for rule in wanted} <= set(prepare_kafka.RESOURCES)


def test_brokers_speak_the_clients_mechanism() -> None:
    asked = client_options(
        Settings(environment="test", kafka_security="SASL_SSL", kafka_user="x", kafka_password="y")  # type: ignore[arg-type]
    )
    mechanism = str(asked["sasl_mechanism"])
    (kafka,) = of_kind("Kafka")
    listeners = [one for one in kafka["spec"]["kafka"]["listeners"] if one["authentication"]["type"] == "custom"]
    assert len(listeners) == 2
    for listener in listeners:
        assert listener["tls"] is True
        assert listener["authentication"]["listenerConfig"]["sasl.enabled.mechanisms"] == mechanism
    script = (DEPLOY / "docker" / "kafka-start.sh").read_text("utf-8")
    assert f"\nsasl.enabled.mechanisms={mechanism}\n" in script
    assert f"{mechanism}=password=" in (BASE / "kafka-passwords.yaml").read_text("utf-8")


def test_variables_are_settings_of_the_code() -> None:
    (shared,) = [one for one in of_kind("ConfigMap") if one["metadata"]["name"] == "vongtay"]
    named = set(shared["data"])
    for name, pod in pods():
        if name in SERVICES:
            named |= {variable["name"] for one in containers(pod) for variable in one.get("env", [])}
    services = compose()["services"]
    for name in (*SERVICES, "kafka-topics"):
        named |= set(services[name]["environment"])
    assert named - NOT_OURS - SETTINGS == set()
    assert {"VONGTAY_DATABASE_URL", "VONGTAY_SESSION_SECRET", "VONGTAY_KAFKA_PASSWORD"} <= named


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_is_told_all_it_needs_and_is_given_only_its_own(service: str) -> None:
    told = compose()["services"][service]["environment"]
    (pod,) = [pod for name, pod in pods() if name == service]
    in_cluster = {variable["name"]: variable for variable in pod["containers"][0]["env"]}
    (shared,) = [one for one in of_kind("ConfigMap") if one["metadata"]["name"] == "vongtay"]
    assert set(told) - {"VONGTAY_NOTIFY_TOPIC_REPLICAS"} <= {*in_cluster, *shared["data"]}
    assert told["VONGTAY_KAFKA_USER"] == in_cluster["VONGTAY_KAFKA_USER"]["value"] == f"service-{service}"
    for other in set(SERVICES) - {service}:
        assert f"POSTGRES_PASSWORD_{other.upper()}" not in told["VONGTAY_DATABASE_URL"]
        assert f"-{other}" not in json.dumps(pod["containers"][0]["env"])
    assert compose()["services"][service]["command"] == pod["containers"][0]["args"] == [service]


def test_no_secret_has_a_default_or_is_written_down() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    asked = re.findall(r"\$\{(\w+)(:?[?-]?)", text)
    assert asked
    assert {mark for _, mark in asked} == {":?"}
    lines = (DEPLOY / "docker" / ".env.example").read_text("utf-8").splitlines()
    offered = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(offered) == {name for name, _ in asked}
    assert set(offered.values()) == {""}
    assert of_kind("Secret") == []
    for one in of_kind("ConfigMap"):
        assert not [name for name in one["data"] if re.search(r"PASSWORD$|SECRET$|TOKEN$|DATABASE_URL", name)]


def test_the_compose_file_hangs_together() -> None:
    found = compose()
    services = found["services"]
    assert set(SERVICES) <= set(services)
    for name, service in services.items():
        assert ":" in service["image"], name
        assert not service["image"].endswith(":latest"), name
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(found["networks"]), name
        assert set(service.get("secrets", [])) <= set(found["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in found["volumes"], volume
    assert [name for name, service in services.items() if "ports" in service] == ["gateway"]
    assert found["networks"]["inside"]["internal"] is True
    for service in SERVICES:
        for variable in ("VONGTAY_MASTER_KEY_FILE", "VONGTAY_PLATFORM_KEY_FILE", "VONGTAY_USERS_FILE"):
            place = Path(services[service]["environment"][variable])
            assert place.parent == Path("/run/secrets")
            assert place.name in services[service]["secrets"]


def test_the_gateways_lead_to_every_service_and_hide_figures() -> None:
    caddy = (DEPLOY / "docker" / "Caddyfile").read_text("utf-8")
    (ingress,) = of_kind("Ingress")
    paths = {one["path"]: one for one in ingress["spec"]["rules"][0]["http"]["paths"]}
    for service in SERVICES:
        assert f"path /{service} /{service}/*" in caddy or f" /{service} /{service}/*" in caddy
        assert f"reverse_proxy {service}:{render.PORT}" in caddy
        assert paths[f"/{service}"]["backend"]["service"]["name"] == service
    # "/" as a prefix would lead to /metrics too.
    assert paths["/"]["pathType"] == "Exact"
    assert "path / /" in caddy
    assert "/metrics" not in paths
    assert "metrics /" not in caddy


@pytest.mark.parametrize(("name", "pod"), pods(), ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_runs_as_root_or_may_write_where_it_should_not(name: str, pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in pod["volumes"]}
    for one in containers(pod):
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(one["resources"]["requests"])
        assert "memory" in one["resources"]["limits"]
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes


def test_every_service_survives_a_node_and_a_release() -> None:
    deployments = {one["metadata"]["name"]: one["spec"] for one in of_kind("Deployment")}
    budgets = {one["metadata"]["name"] for one in of_kind("PodDisruptionBudget")}
    scalers = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in of_kind("HorizontalPodAutoscaler")}
    for service in SERVICES:
        assert deployments[service]["replicas"] >= 2
        assert service in budgets
        assert scalers[service]["minReplicas"] >= 2
        container = deployments[service]["template"]["spec"]["containers"][0]
        assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
        # A broker that is away must not make a cluster kill every replica.
        assert "httpGet" not in container["livenessProbe"]


def test_every_service_has_its_database() -> None:
    (cluster,) = of_kind("Cluster")
    roles = {role["name"]: role["passwordSecret"]["name"] for role in cluster["spec"]["managed"]["roles"]}
    assert roles == {service: f"postgres-{service}" for service in SERVICES}
    assert {one["spec"]["name"]: one["spec"]["owner"] for one in of_kind("Database")} == {s: s for s in SERVICES}
    script = (DEPLOY / "docker" / "postgres-init.sh").read_text("utf-8")
    assert f"for service in {' '.join(SERVICES)};" in script


def test_the_images_commands_exist() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text("utf-8")
    entry = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE).group(1))  # type: ignore[union-attr]
    assert entry[:2] == ["vongtay", "serve"]
    assert re.search(r'^vongtay = "local\.cli:main"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    application = next(one for one in vars(cli).values() if isinstance(one, typer.Typer))
    shown = CliRunner().invoke(application, ["serve", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert shown.exit_code == 0
    for option in (word for word in entry if word.startswith("--")):
        assert option in shown.output
    assert entry[entry.index("--port") + 1] == str(render.PORT)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
    kept = {
        line[1:] for line in (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert {
        name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in names.split()
    } <= kept
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.11.13-slim-bookworm"] * 2
    assert text.index("\nUSER 10001") < text.index("\nENTRYPOINT")
    assert "/healthz" in text


@pytest.mark.parametrize("name", ["kafka-start.sh", "postgres-init.sh"])
def test_scripts_are_well_formed(name: str) -> None:
    script = DEPLOY / "docker" / name
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nset -euo pipefail\n" in script.read_text("utf-8")
    ast.parse((DEPLOY / "docker" / "prepare_kafka.py").read_text("utf-8"))


def test_dashboards_and_alerts_ask_for_figures_that_exist() -> None:
    known = set()
    for collector in vars(metrics).values():
        for one in collector.values() if isinstance(collector, dict) else [collector]:
            if isinstance(one, prometheus_client.metrics.MetricWrapperBase):
                known |= {sample.name for family in one.describe() for sample in [family]}
                known |= {f"{family.name}{end}" for family in one.describe() for end in ("_total", "_bucket", "_count")}
    asked = (DEPLOY / "observability" / "alerts.yaml").read_text("utf-8")
    asked += (DEPLOY / "observability" / "dashboard.json").read_text("utf-8")
    names = set(re.findall(r"\bvongtay_\w+", asked))
    assert len(names) >= 6
    assert names - known == set()


def test_every_alert_says_what_happens_and_what_to_do() -> None:
    (group,) = yaml.safe_load((DEPLOY / "observability" / "alerts.yaml").read_text("utf-8"))["groups"]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert {"summary", "description"} <= set(rule["annotations"])
        assert "for" in rule


def test_the_collector_asks_every_service_and_uses_what_it_defines() -> None:
    found = yaml.safe_load((DEPLOY / "observability" / "collector.yaml").read_text("utf-8"))
    (job,) = found["receivers"]["prometheus"]["config"]["scrape_configs"]
    (targets,) = job["dns_sd_configs"]
    assert targets["names"] == list(SERVICES)
    assert targets["port"] == render.PORT
    for pipeline in found["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(found[part])
    assert "attributes/no-identity" in found["service"]["pipelines"]["traces"]["processors"]
