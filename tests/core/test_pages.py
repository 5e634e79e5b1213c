"""Memory for large tensors comes in large pages, where Linux gives them to who asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOUCH = """
import resource
import genrefusion
import torch
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.zeros(64 << 20, dtype=torch.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_a_large_tensor_is_touched_in_few_faults() -> None:
    setting = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.is_file() or "[never]" in setting.read_text():
        pytest.skip("no large pages here")
    said = subprocess.run([sys.executable, "-c", TOUCH], capture_output=True, text=True, check=True).stdout
    assert int(said) < (64 << 20) / 4096 / 4
