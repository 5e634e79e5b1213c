"""What is said of a machine, and of the memory of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from genrefusion.core import machine as module
from genrefusion.core.machine import machine, machine_name, machine_names, peak_memory_mb, usable_cores
from genrefusion.settings.composing import register
from genrefusion.settings.trainer import TrainerSettings
from genrefusion.training.loop import make_accelerator

OTHER = {"processor": "Abacus", "cores": 1, "memory_gib": 0.5, "accelerator": "beads"}


def test_a_machine_is_plain_json() -> None:
    found = machine()
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"processor", "cores", "memory_gib", "system", "python", "accelerator"}
    assert 0 < found["cores"] <= (os.cpu_count() or 1)


def test_its_name_is_one_line() -> None:
    assert machine_name(OTHER) == "Abacus, 1 core, 0 GiB, beads"
    assert "\n" not in machine_name(machine())


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.25),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_container_has_the_cores_that_it_is_given(
    files: dict[str, str], cores: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    whole = machine()["cores"]
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    assert machine()["cores"] == (cores or whole)


@pytest.mark.parametrize(("quota", "cores"), [("50000", 1), ("100000", 1), ("max", None)])
def test_threads_are_those_of_the_cores_that_a_container_is_given(
    quota: str, cores: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.setattr(module, "_CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("max 100000")
    whole = usable_cores()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(whole + 1)
        (tmp_path / "cpu.max").write_text(f"{quota} 100000")
        assert usable_cores() == (cores or whole)
        assert OmegaConf.create({"threads": "${threads_each:1}"}).threads == (cores or whole)
        make_accelerator(TrainerSettings(device="cpu"))
        assert torch.get_num_threads() == (cores or whole)
        make_accelerator(TrainerSettings(device="cpu", threads=3))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)


def test_an_ensemble_names_the_machines_of_its_members() -> None:
    assert machine_names({"machine": OTHER, "machines": ["one", "two"]}) == ["one", "two"]
    assert machine_names({"machine": OTHER}) == [machine_name(OTHER)]
    assert machine_names({}) == []


def test_the_peak_of_a_process_is_not_that_of_the_one_that_started_it() -> None:
    code = "from genrefusion.core.machine import peak_memory_mb; print(peak_memory_mb())"
    held = bytearray(b"1" * 150_000_000)
    found = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert found < 100 < len(held) / 2**20 < peak_memory_mb()
