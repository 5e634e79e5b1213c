"""The machine that something was measured on, and the memory that this process took there.

Imports nothing heavy, so that a process that measures its memory can use it.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CGROUP = Path("/sys/fs/cgroup")


def machine() -> dict[str, Any]:
    """Describe this machine as far as times and memory depend on it; plain values that can be written as JSON.

    Returns
    -------
    dict
        ``processor``; ``cores`` that this process may use, of which a container may have a part; ``memory_gib``;
        ``system``; ``python``; ``accelerator``, or None where there is none or this process has not imported PyTorch.
    """
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "accelerator": _accelerator(),
    }


def usable_cores() -> int:
    """Whole cores that this process may use, one at least; a machine can have many more than a container of it."""
    return max(1, int(_cores()))


def machine_name(described: Mapping[str, Any]) -> str:
    """One line for what `machine` gave; of two machines that differ in speed it is not the same.

    Examples
    --------
    >>> machine_name({"processor": "Ryzen 7", "cores": 1.5, "memory_gib": 15.6, "accelerator": None})
    'Ryzen 7, 1.5 cores, 16 GiB'
    """
    cores = f"{described['cores']:g} core{'' if described['cores'] == 1 else 's'}"
    facts = [described["processor"], cores, f"{described['memory_gib']:.0f} GiB", described.get("accelerator")]
    return ", ".join(fact for fact in facts if fact)


def machine_names(record: Mapping[str, Any]) -> list[str]:
    """Names of the machines that times come from in a record of a run or of costs; of an ensemble, its members'."""
    own = [machine_name(record["machine"])] if record.get("machine") else []
    return list(record.get("machines", own))


def peak_memory_mb() -> float:
    """Most memory that this process had at once, in MiB.

    Linux hands the peak that `getrusage` tells from a process on to those that it starts, whatever they need
    themselves; what it says of the address space begins anew with each program.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024  # bytes there, kibibytes elsewhere


def _processor() -> str:
    known = Path("/proc/cpuinfo")
    if known.is_file():
        for line in known.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown processor"


def _cores() -> float:
    """Cores that this process may use; not whole where a container has a share of the time."""
    has_affinity = hasattr(os, "sched_getaffinity")
    count = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = _quota()
    return count if quota is None or quota >= count else round(quota, 2)


def _quota() -> float | None:
    """Cores' worth of time that the control group of a container is given, if it is limited."""
    try:
        if (_CGROUP / "cpu.max").is_file():
            given, period = (_CGROUP / "cpu.max").read_text().split()
        else:
            given, period = ((_CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(given) / int(period) if int(given) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no control groups, or "max"
        return None


def _accelerator() -> str | None:
    torch: Any = sys.modules.get("torch")
    # A module that is only half imported, in another thread, has no `cuda` yet.
    if torch is None or not hasattr(torch, "cuda") or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())
