"""`pytest --device cuda` runs the device tests on a card; by default they run on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of tests/vae/training/test_device.py: cpu, cuda, mps")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    name = request.config.getoption("--device")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        pytest.fail(f"--device {name}: not to be had here ({str(error).splitlines()[0]})")
    return torch.device(name)


@pytest.fixture(autouse=True, scope="session")
def components_are_looked_for_once() -> Iterator[None]:
    """Streamlit reads the metadata of every installed package anew for each AppTest: a fifth of a second."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        found = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", found)
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Bit-equality is promised for one number of threads; one is also the fastest for models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
