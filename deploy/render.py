"""Writes the manifests that follow from the code: four equal services, the broker's topics and users' rights.

After a change of the topic list: `.venv/bin/python -m deploy.render` in the project's root. It must never write
a secret, only the names of Secrets.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from shared.messaging.topics import SERVICES, TOPICS, USERS, Rule, Topic, rules

BASE = Path(__file__).parent / "k8s" / "base"
PREFIX = "vongtay."
PORT = 8600
HEADER = "# Written by deploy/render.py; change it there.\n"
CLUSTER = "vongtay"
OPERATIONS = {"read": "Read", "write": "Write", "create": "Create", "describe": "Describe"}
Manifest = dict[str, Any]


def rendered() -> dict[str, str]:
    """Out: file name in deploy/k8s/base -> its text."""
    files = {f"{service}.yaml": list(service_manifests(service)) for service in SERVICES}
    files["kafka-topics.yaml"] = [topic_manifest(topic) for topic in TOPICS]
    files["kafka-users.yaml"] = [user_manifest(user) for user in USERS]
    return {name: HEADER + yaml.safe_dump_all(found, sort_keys=False, width=120) for name, found in files.items()}


def service_manifests(service: str) -> Iterator[Manifest]:
    """Out: what Kubernetes needs to run one service."""
    labels = {"app.kubernetes.io/name": service, "app.kubernetes.io/part-of": "vongtay", "vongtay.vn/kind": "service"}
    chosen = {"app.kubernetes.io/name": service}
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": service, "labels": labels},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": chosen},
            # A new replica is ready before an old one goes: events and people never wait for a release.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": pod(service)},
        },
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service, "labels": labels},
        # Headless, so that the collector finds every replica by name.
        "spec": {"clusterIP": "None", "selector": chosen, "ports": [{"name": "http", "port": PORT}]},
    }
    yield {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": chosen}},
    }
    yield {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": service},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": service},
            "minReplicas": 2,
            # More replicas than partitions of the busiest topic would have nothing to consume.
            "maxReplicas": max(topic.partitions for topic in TOPICS),
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}},
                }
            ],
            # Every change of replicas makes the consumer group share its partitions anew.
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
        },
    }


def pod(service: str) -> Manifest:
    """Out: the pod's specification: no root, no writable disk, no token of the cluster."""
    locked = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    health = {"httpGet": {"path": "/healthz", "port": "http"}, "timeoutSeconds": 5}
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": service}},
            }
        ],
        "initContainers": [trust(locked)],
        "containers": [
            {
                "name": service,
                "image": "vongtay",
                "args": [service],
                "ports": [{"name": "http", "containerPort": PORT}],
                "envFrom": [{"configMapRef": {"name": "vongtay"}}],
                "env": list(environment(service)),
                "startupProbe": {**health, "periodSeconds": 5, "failureThreshold": 60},
                "readinessProbe": {**health, "periodSeconds": 5, "failureThreshold": 2},
                # A broker or database that is away makes a replica unready; killing it would not bring them back.
                "livenessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 6},
                "securityContext": locked,
                "resources": resources("250m", "384Mi", "768Mi"),
                "volumeMounts": [
                    mount("keys", "/run/keys"),
                    mount("users", "/run/users"),
                    mount("trust", "/run/trust"),
                    mount("postgres-ca", "/run/postgres-ca"),
                    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own, empty at start
                ],
            }
        ],
        "terminationGracePeriodSeconds": 30,
        "volumes": [
            {"name": "keys", "secret": {"secretName": "vongtay-keys", "defaultMode": 0o440}},
            {"name": "users", "secret": {"secretName": "vongtay-users", "defaultMode": 0o440}},
            {"name": "kafka-ca", "secret": {"secretName": f"{CLUSTER}-cluster-ca-cert"}},
            {
                "name": "postgres-ca",
                "secret": {"secretName": "vongtay-postgres-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]},
            },
            {"name": "trust", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
            # Files on their way into cases lie here, sealed: `uploads_arriving` of `attachment_megabytes` each.
            {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi" if service == "cases" else "64Mi"}},
        ],
    }


def trust(locked: Manifest) -> Manifest:
    """Out: the container that puts the broker's own authority beside the public ones, which partners' webhooks are
    checked against."""
    return {
        "name": "trust",
        "image": "vongtay",
        "command": [
            "sh",
            "-c",
            "cat /etc/ssl/certs/ca-certificates.crt /run/kafka-ca/ca.crt > /run/trust/ca.pem",
        ],
        "securityContext": locked,
        "resources": resources("50m", "32Mi", "64Mi"),
        "volumeMounts": [mount("kafka-ca", "/run/kafka-ca"), {"name": "trust", "mountPath": "/run/trust"}],
    }


def environment(service: str) -> Iterator[Manifest]:
    """Out: variables of one service; those of all are in the ConfigMap."""
    yield secret_value("VONGTAY_SESSION_SECRET", "vongtay-session", "secret")
    yield {"name": "VONGTAY_KAFKA_USER", "value": f"service-{service}"}
    yield secret_value("VONGTAY_KAFKA_PASSWORD", "kafka-passwords", f"service-{service}")
    # Kubernetes fills $(…) in from the variables before it.
    yield secret_value("DATABASE_PASSWORD", f"postgres-{service}", "password")
    url = f"postgresql+asyncpg://{service}:$(DATABASE_PASSWORD)@vongtay-postgres-rw/{service}?ssl=verify-full"
    yield {"name": "VONGTAY_DATABASE_URL", "value": url}
    if service == "notify":
        yield secret_value("VONGTAY_SMTP_URL", "vongtay-smtp", "url")
        yield secret_value("VONGTAY_NOTIFY_MAIL_FROM", "vongtay-smtp", "from")


def topic_manifest(topic: Topic) -> Manifest:
    """Out: Strimzi's form of a topic."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name.replace(".", "-"), "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "topicName": PREFIX + topic.name,
            "partitions": topic.partitions,
            "replicas": 3,
            "config": {**topic.config(), "min.insync.replicas": "2"},
        },
    }


def user_manifest(user: str) -> Manifest:
    """Out: Strimzi's form of a user's rights. Its password is set by the job in kafka-passwords.yaml."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": user, "labels": {"strimzi.io/cluster": CLUSTER}},
        "spec": {
            "authorization": {"type": "simple", "acls": [acl(rule) for rule in rules(PREFIX) if rule.user == user]}
        },
    }


def acl(rule: Rule) -> Manifest:
    """Out: one rule."""
    pattern = "prefix" if rule.prefixed else "literal"
    return {
        "resource": {"type": rule.resource, "name": rule.name, "patternType": pattern},
        "operations": [OPERATIONS[operation] for operation in rule.operations],
    }


def secret_value(name: str, secret: str, key: str) -> Manifest:
    """Out: a variable whose value is in a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def mount(name: str, path: str) -> Manifest:
    """Out: a volume that is only read."""
    return {"name": name, "mountPath": path, "readOnly": True}


def resources(cpu: str, memory: str, most_memory: str) -> Manifest:
    """Out: what is asked for, and the limit of memory; processor time is shared, not cut off."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most_memory}}


if __name__ == "__main__":
    for name, text in rendered().items():
        (BASE / name).write_text(text, "utf-8")
