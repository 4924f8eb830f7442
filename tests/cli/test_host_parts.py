"""Which parts of a host servers get is said where it starts: to `trivet join`, which remembers it, and to `up`."""

from pathlib import Path

import pytest

from tests.cli.command import trivet

API = "http://127.0.0.1:1"
JOIN = ("--token", "a-token", "--underlay", "10.20.0.2/24@eth1")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (("--cpu-dedicated-set", "4000"), "cpu_dedicated_set names CPU 4000"),
        (("--cpu-shared-set", "some"), "cpu_shared_set must be like"),
        (("--pci-devices", "gpu"), "pci_devices must be like"),
    ],
)
def test_parts_that_there_are_not_end_the_start_and_are_remembered(
    tmp_path: Path, said: tuple[str, str], why: str
) -> None:
    first = trivet(tmp_path, "join", API, *JOIN, "--data", str(tmp_path), *said)
    again = trivet(tmp_path, "join", "--data", str(tmp_path))
    for ended in (first, again):
        assert (ended.returncode, why in ended.stderr) == (1, True), ended.stderr


def test_a_cloud_whose_cpus_are_given_twice_does_not_start(tmp_path: Path) -> None:
    config = tmp_path / "trivet.toml"
    config.write_text('cpu_dedicated_set = "0-1"\ncpu_shared_set = "1"\n')
    ended = trivet(tmp_path, "up", "--sim", "--data", str(tmp_path / "data"), "--config", str(config))
    assert ended.returncode == 1
    assert "CPU 1 is in cpu_dedicated_set and in cpu_shared_set" in ended.stderr
