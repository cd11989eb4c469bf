"""The server under compose and in Kubernetes: what it is started with, who reaches it, and what it may do."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

SERVING = Path(__file__).parents[2] / "saved_models" / "serving"
KUBERNETES = SERVING / "kubernetes"
COMPOSE_FILES = ["compose.yaml", "compose.grpc.yaml"]
MANIFESTS = sorted(path.name for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")


def composed(file="compose.yaml"):
    """The only service of a file, with the default of every variable that has one."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (SERVING / file).read_text())
    (service,) = yaml.safe_load(text)["services"].values()
    return service


def manifest(file):
    return yaml.safe_load((KUBERNETES / file).read_text())


def pod():
    return manifest("deployment.yaml")["spec"]["template"]["spec"]


def container():
    (only,) = pod()["containers"]
    return only


def test_the_image_is_of_the_installed_tensorflow_and_named_by_its_digest_too():
    """No digest is known here: without one, compose stops with an error and the cluster starts no pod."""
    digests = []
    for image in (composed()["image"], container()["image"]):
        name, tag, digest = re.fullmatch(r"([^:@]+):([^:@]+)@(.+)", image).groups()
        assert name == "tensorflow/serving"
        assert tag.split(".")[:2] == version("tensorflow").split(".")[:2]
        digests.append(digest)
    assert re.fullmatch(r"\$\{SERVING_DIGEST:\?set it to the digest[^}]+\}", digests[0])
    assert digests[1] == "sha256:digest-is-not-set"
    assert digests[1] in (KUBERNETES / "kustomization.yaml").read_text()


def test_every_file_that_the_server_is_told_to_read_is_there():
    service = composed()
    words = " ".join([*service["command"], *service["healthcheck"]["test"]])
    named = re.findall(r"/serving/([\w.]+)", words)
    assert sorted(named) == ["batching.config", "models.config", "monitoring.config", "ready"]
    assert all((SERVING / name).is_file() for name in named)
    generators = manifest("kustomization.yaml")["configMapGenerator"]
    given = [file.removeprefix("../") for one in generators for file in one["files"]]
    assert sorted(given) == sorted(named)
    sources = next(volume["projected"] for volume in pod()["volumes"] if "projected" in volume)["sources"]
    assert [one["configMap"]["name"] for one in sources] == [one["name"] for one in generators]


def test_both_deployments_start_the_server_in_the_same_way():
    service, server = composed(), container()
    assert server["command"] == service["entrypoint"]
    assert server["args"] == service["command"]


@pytest.mark.parametrize("file", COMPOSE_FILES)
def test_compose_files_obey_the_schema(file):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(SERVING / file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_ports_are_published_to_this_machine_only_and_grpc_on_request_only():
    assert composed()["ports"] == ["127.0.0.1:8501:8501"]
    assert composed("compose.grpc.yaml") == {"ports": ["127.0.0.1:8500:8500"]}
    assert "network_mode" not in composed()
    assert "ModelService" in (SERVING / "compose.grpc.yaml").read_text()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("user", "10001:10001"),
        ("read_only", True),
        ("tmpfs", ["/tmp:size=64m,mode=1777,noexec,nosuid,nodev"]),
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("mem_limit", "4g"),
        ("memswap_limit", "4g"),
        ("cpus", 2),
        ("pids_limit", 1024),
        ("volumes", ["..:/models:ro", ".:/serving:ro"]),
        ("restart", "unless-stopped"),
    ],
)
def test_the_composed_container_may_do_no_more_than_it_needs(setting, value):
    assert composed().get(setting) == value


def test_nothing_in_compose_gives_back_what_was_taken():
    forbidden = {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode", "group_add", "volumes_from"}
    assert forbidden.isdisjoint(composed())


def test_the_composed_container_has_a_health_check():
    check = composed()["healthcheck"]
    assert check["test"] == ["CMD", "/bin/bash", "/serving/ready"]
    assert not check.get("disable")
    assert {"interval", "timeout", "retries"} <= set(check)


def test_the_cluster_gets_every_manifest():
    assert sorted(manifest("kustomization.yaml")["resources"]) == MANIFESTS
    assert sorted(manifest(file)["kind"] for file in MANIFESTS) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    ]


@pytest.mark.parametrize("release", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("file", MANIFESTS)
def test_manifests_obey_the_schemas_of_old_and_new_clusters(file, release):
    kubernetes_validate.validate(manifest(file), release, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_the_manifests_can_be_put_together():
    command = ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(KUBERNETES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    objects = list(yaml.safe_load_all(done.stdout))
    data = {}
    for one in objects:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
        data |= one.get("data", {})
    assert {one["metadata"].get("namespace", one["metadata"]["name"]) for one in objects} == {"recommender"}
    assert data == {
        name: (SERVING / name).read_text()
        for name in ("models.config", "batching.config", "monitoring.config", "ready")
    }


def test_the_cluster_enforces_restrictions_on_the_namespace():
    name, labels = (manifest("namespace.yaml")["metadata"][key] for key in ("name", "labels"))
    assert name == manifest("kustomization.yaml")["namespace"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_is_restricted():
    assert pod()["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod()["automountServiceAccountToken"] is False
    assert pod()["enableServiceLinks"] is False
    shared = {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "serviceAccountName", "initContainers"}
    assert shared.isdisjoint(pod())


def test_the_container_in_the_pod_is_restricted():
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container()["ports"] == [{"name": "rest", "containerPort": 8501}]


def test_the_pod_writes_nowhere_but_to_a_small_temporary_folder():
    writable = [mount["name"] for mount in container()["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["temporary"]
    volumes = {volume.pop("name"): volume for volume in pod()["volumes"]}
    assert volumes["temporary"] == {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}
    assert volumes["models"]["persistentVolumeClaim"]["readOnly"] is True
    assert set(volumes) == {"models", "configuration", "temporary"}


def test_the_pod_asks_for_resources_and_is_limited():
    assert container()["resources"] == {
        "requests": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "64Mi"},
        "limits": {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "256Mi"},
    }


def test_all_probes_read_the_status_of_the_model():
    for probe in ("startupProbe", "readinessProbe"):
        assert container()[probe]["exec"] == {"command": ["/bin/bash", "/serving/ready"]}
    assert container()["livenessProbe"]["httpGet"] == {"path": "/v1/models/recommender", "port": "rest"}


def selected(labels):
    """That an object selects the pods of the deployment, by all labels that these have."""
    return labels == manifest("deployment.yaml")["spec"]["template"]["metadata"]["labels"]


def test_the_service_offers_rest_inside_the_cluster_only():
    spec = manifest("service.yaml")["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["ports"] == [{"name": "rest", "port": 8501, "targetPort": "rest"}]
    assert selected(spec["selector"])
    assert set(spec) == {"type", "ports", "selector"}


def test_labelled_clients_reach_rest_and_the_server_reaches_nobody():
    spec = manifest("network-policy.yaml")["spec"]
    assert selected(spec["podSelector"]["matchLabels"])
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {
            "from": [{"podSelector": {"matchLabels": {"recommender-client": "true"}}}],
            "ports": [{"protocol": "TCP", "port": 8501}],
        }
    ]
    assert spec["egress"] == []


def test_the_autoscaler_acts_on_the_processor_and_says_what_would_be_better():
    spec = manifest("autoscaler.yaml")["spec"]
    deployment = manifest("deployment.yaml")
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    assert spec["scaleTargetRef"] == target
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    (metric,) = spec["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert "replicas" not in deployment["spec"]
    text = (KUBERNETES / "autoscaler.yaml").read_text()
    assert all(words in text for words in ("queue", "metrics adapter", "/monitoring/prometheus/metrics"))


def test_a_pod_stays_while_nodes_are_emptied():
    spec = manifest("disruption-budget.yaml")["spec"]
    assert selected(spec["selector"]["matchLabels"])
    assert 1 <= spec["minAvailable"] < manifest("autoscaler.yaml")["spec"]["minReplicas"]
