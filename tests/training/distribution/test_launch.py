"""The lines of the guide for Slurm and the manifest for Kubernetes, followed on loopback.

Neither is needed: what they would start and set is started and set here. Host name, port and mount
are put in place of those of a cluster; all else runs as it stands.
"""

import os
import shlex
import sys
import time

import pytest

from tests.training.distribution.conftest import ROOT, jax_only

MANIFEST = ROOT / "recipes" / "distributed" / "kubernetes.yaml"

# What srun and scontrol do for one job of several tasks.
SRUN = """#!/bin/bash
for ((task = 0; task < SLURM_NTASKS; task++)); do
    SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_STEP_NODELIST=$SLURM_JOB_NODELIST "$@" &
done
status=0
for task in $(jobs -p); do wait "$task" || status=$?; done
exit $status
"""
SCONTROL = """#!/bin/bash
[ "$*" = "show hostnames nodes[0-1]" ] && printf '127.0.0.1\\nelsewhere\\n'
"""

pytestmark = [jax_only, pytest.mark.processes]


@pytest.fixture
def path(tmp_path):
    """PATH, with `python` and the commands of Slurm before all else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    python = f'#!/bin/bash\nexec {shlex.quote(sys.executable)} "$@"\n'
    for name, script in (("srun", SRUN), ("scontrol", SCONTROL), ("python", python)):
        (folder / name).write_text(script, encoding="utf-8")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def check_one_checkpoint(tmp_path):
    assert list(tmp_path.rglob("model.safetensors")) == [
        tmp_path / "run" / "best" / "model.safetensors"
    ]


def test_slurm(start, arguments, path, address, tmp_path):
    guide = (ROOT / "docs" / "guides" / "devices.md").read_text(encoding="utf-8")
    (lines,) = (block for block in guide.split("```") if "srun " in block)
    lines = lines.removeprefix("bash\n").replace(":1234", f":{address.split(':')[1]}")
    flags = shlex.join([*map(str, arguments[1:]), "--epochs", "2", "--output"])
    script = tmp_path / "job.sh"
    script.write_text(lines.replace(" ...", f" {flags} {tmp_path}/run"), encoding="utf-8")
    variables = {
        "PATH": path,
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NODELIST": "nodes[0-1]",
        "SLURM_NTASKS": "2",
    }
    job = start(script, program="bash", variables=variables)
    printed, _ = job.communicate(timeout=300)
    assert job.returncode == 0, printed
    assert printed.count("Best of 2 epochs") == 1
    check_one_checkpoint(tmp_path)


def read_manifest(address, mount):
    """What a pod runs, its environment, and how many pods there are."""
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
    name, spec = job["metadata"]["name"], job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    variables = {one["name"]: one["value"] for one in container["env"]}

    # A headless service that finds the pods of the job, so that the first has this name.
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": name}
    assert service["metadata"]["name"] == pod["subdomain"]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"]
    host, _ = variables["KERAS_DISTRIBUTION_JOB_ADDRESSES"].split(":")
    assert host == f"{name}-0.{pod['subdomain']}"

    variables["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = address
    (volume,) = container["volumeMounts"]
    command = [part.replace(volume["mountPath"], str(mount)) for part in container["command"]]
    return command, variables, spec["completions"]


def test_kubernetes_starts_a_pod_again_that_died(start, arguments, path, address, tmp_path):
    (program, *command), variables, count = read_manifest(address, tmp_path)

    def launch(index):
        environment = {**variables, "PATH": path, "JOB_COMPLETION_INDEX": str(index)}
        return start(*command, program=program, variables=environment)

    pods = {index: launch(index) for index in range(count)}
    while not (tmp_path / "run" / "state.safetensors").exists():
        assert pods[0].poll() is None, pods[0].communicate()
        time.sleep(0.2)
    pods[1].kill()
    ended, failures = {}, []
    while pods:  # what `restartPolicy: OnFailure` does, six times
        for index, pod in list(pods.items()):
            if pod.poll() is None:
                time.sleep(0.2)
                continue
            printed, _ = pods.pop(index).communicate(timeout=60)
            if pod.returncode == 0:
                ended[index] = printed
            else:
                failures.append(printed)
                assert len(failures) <= 6, failures
                pods[index] = launch(index)
    assert any("Another process of this training has ended" in printed for printed in failures)
    assert "epoch 0 done" not in ended[0] and "Best of 4 epochs" in ended[0]
    assert "Best of" not in ended[1]
    check_one_checkpoint(tmp_path)
