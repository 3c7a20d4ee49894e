"""A process that trains keeps the memory of large arrays for its next step."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import torch
from vae.machine import keep_large_arrays

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.zeros(2**24)  # 64 MB, which glibc else takes from the system each time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

unkept = faults()
keep_large_arrays()
for _ in range(5):
    faults()  # the first ones find no place that fits, with what lies between them
print(unkept, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_arrays_of_64_MB_are_taken_from_the_system_once() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    unkept, kept = map(int, done.stdout.split())
    pages = 4 * 2**26 // 4096
    assert kept < pages / 100
    assert unkept > kept  # pages may be huge: then there are few faults, but there are some
