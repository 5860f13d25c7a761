"""The manifest for KubeRay has the fields of its resources, and says the same in all places.

Fields, types and which are required are those of `ray.io/v1` (RayJob, RayCluster), as far as the
manifest has them; pods are checked for what a run needs.
"""

import copy
import pathlib
import re
import shlex

import pytest
import tyro
import yaml

from drrec.cli.flags import Benchmark

ROOT = pathlib.Path(__file__).parents[1]
POD = {
    "spec": {
        "containers!": [
            {"name!": str, "image!": str, "env": [{"name!": str, "value!": str}],
             "resources": {"requests": {str: str}, "limits": {str: str}},
             "volumeMounts": [{"name!": str, "mountPath!": str}]}
        ],
        "volumes": [{"name!": str, "persistentVolumeClaim": {"claimName!": str}}],
    }
}  # fmt: skip
CLUSTER = {
    "rayVersion": str,
    "enableInTreeAutoscaling": bool,
    "autoscalerOptions": {"idleTimeoutSeconds": int, "upscalingMode": str},
    "headGroupSpec!": {"rayStartParams!": {str: str}, "template!": POD},
    "workerGroupSpecs": [
        {"groupName!": str, "replicas": int, "minReplicas!": int, "maxReplicas!": int,
         "numOfHosts": int, "rayStartParams!": {str: str}, "template!": POD}
    ],
}  # fmt: skip
JOB = {
    "apiVersion!": str,
    "kind!": str,
    "metadata!": {"name!": str},
    "spec!": {
        "entrypoint": str,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "backoffLimit": int,
        "rayClusterSpec": CLUSTER,
    },
}


def faults(value, form, where=""):
    """Where a value is not of a form: a type, a list of one form, or fields, "!" if required."""
    if isinstance(form, list):
        if not isinstance(value, list):
            return [where]
        found = [faults(each, form[0], f"{where}/{at}") for at, each in enumerate(value)]
        return [fault for each in found for fault in each]
    if not isinstance(form, dict):
        return [] if type(value) is form else [where]
    if not isinstance(value, dict):
        return [where]
    if str in form:
        return [f"{where}/{key}" for key, each in value.items() if type(each) is not form[str]]
    fields = {name.rstrip("!"): each for name, each in form.items()}
    missing = [
        f"{where}/{name[:-1]}" for name in form if name[-1] == "!" and name[:-1] not in value
    ]
    unknown = [f"{where}/{name}" for name in value if name not in fields]
    inner = [
        faults(value[name], fields[name], f"{where}/{name}") for name in fields if name in value
    ]
    return missing + unknown + [fault for each in inner for fault in each]


@pytest.fixture(scope="module")
def job():
    [_, job] = yaml.safe_load_all((ROOT / "deploy/kuberay.yaml").read_text(encoding="utf-8"))
    return job


def test_the_manifest_has_the_fields_of_its_resource(job):
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert faults(job, JOB) == []


def test_faults_are_found(job):
    damaged = copy.deepcopy(job)
    del damaged["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]
    damaged["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["maxReplicas"] = "16"
    damaged["spec"]["entryPoint"] = ""
    assert {fault.rpartition("/")[2] for fault in faults(damaged, JOB)} == {
        *("rayStartParams", "maxReplicas", "entryPoint")
    }


def test_all_pods_have_one_image_and_one_shared_folder(job):
    cluster = job["spec"]["rayClusterSpec"]
    pods = [
        each["template"]["spec"]
        for each in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    ]
    containers = [each for pod in pods for each in pod["containers"]]
    assert len({each["image"] for each in containers}) == 1
    for each in containers:
        home = {variable["name"]: variable["value"] for variable in each["env"]}["DRREC_HOME"]
        assert [mount["mountPath"] for mount in each["volumeMounts"]] == [home]


def test_rays_version_is_the_pinned_one(job):
    pinned = re.search(r"==(\S+)", (ROOT / "requirements-ray.txt").read_text()).group(1)
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned
    assert f"rayproject/ray:{pinned}-py311" in (ROOT / "deploy/kuberay.yaml").read_text()


def test_the_command_is_one(job):
    program, stage, *given = shlex.split(job["spec"]["entrypoint"])
    assert (program, stage) == ("drrec", "benchmark")
    parsed = tyro.cli(tyro.conf.OmitArgPrefixes[Benchmark], args=given)
    assert (parsed.cluster.ray, parsed.benchmark.seeds) == ("auto", 5)
