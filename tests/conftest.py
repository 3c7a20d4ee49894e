"""`pytest --device cuda` runs the device tests on a card; by default they run on the CPU."""

from __future__ import annotations

import functools
import gc
import logging
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the tests' processes too: threads that wait for each other spin
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # nor those of tests that ask for more than one
import torch

from vae.datasets import is_here
from vae.engines.process import WorkerProcess, end_all

if TYPE_CHECKING:
    from tests.vae.diagnosis.faulty_mnist import FaultyRun


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of tests/vae/training/test_device.py: cpu, cuda, mps")


def pytest_collection_finish() -> None:
    """What the imports made stays for good: no collection goes through it again. Torch's loggers pass on what they
    hear: pytest would hang its handlers on each of the forty that do not, in each phase of each test."""
    gc.collect()
    gc.freeze()
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(autouse=True, scope="module")
def what_is_left_open_is_told_in_its_own_file() -> Iterator[None]:
    """A socket or a file that nobody closed warns when it is collected, otherwise within another file's test. Spare
    processes, which a page may have left or not, by what was slow, end as with a server; any other is told."""
    yield
    workers = [each for each in gc.get_objects() if type(each) is WorkerProcess]
    end_all([each for each in workers if each.is_spare], time.monotonic() + 5)
    gc.collect()
    gc.freeze()  # what outlives its file is not gone through again after every other


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    name = request.config.getoption("--device")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        pytest.fail(f"--device {name}: not to be had here ({str(error).splitlines()[0]})")
    return torch.device(name)


@pytest.fixture(autouse=True, scope="session")
def an_app_test_makes_nothing_twice() -> Iterator[None]:
    """Each run of an AppTest would compile the frame and its page anew, the first read the metadata of every installed
    package (none has a component of ours), and whether a script has ended be asked a thousand times a second beside
    it: together longer than most pages themselves take. A timeout reads "0(s)"."""
    from streamlit.components.v2 import manifest_scanner
    from streamlit.runtime.scriptrunner.script_cache import ScriptCache
    from streamlit.testing.v1 import local_script_runner

    compiled, poll = ScriptCache(), local_script_runner.require_widgets_deltas

    def bytecode(_: ScriptCache, path: str) -> Any:
        return compile_once(path, os.stat(path).st_mtime_ns)

    @functools.cache
    def compile_once(path: str, _: int) -> Any:
        compiled.clear()
        return get_bytecode(compiled, path)

    def wait(runner: local_script_runner.LocalScriptRunner, timeout: float = 3) -> None:
        assert runner._script_thread
        runner._script_thread.join(timeout)
        if not runner.script_stopped():
            poll(runner, 0)  # stops it and raises

    get_bytecode = ScriptCache.get_bytecode
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", list)
        patch.setattr(ScriptCache, "get_bytecode", bytecode)
        patch.setattr(local_script_runner, "require_widgets_deltas", wait)
        yield


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> FaultyRun:
    """A run on MNIST with faults at known places; trained once a session."""
    from tests.vae.diagnosis.faulty_mnist import faulty_run

    if not is_here("mnist"):
        pytest.skip("MNIST is not in the data root (ELBO_ROOM_DATA)")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return faulty_run(tmp_path_factory.mktemp("faulty"))
    finally:
        torch.set_num_threads(before)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Bit-equality is promised for one number of threads; one is also the fastest for models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings learn and sample with less, where a test looks at what they tell and not at how sharply."""
    monkeypatch.setattr("vae.bound.density_ratio.STEPS", 150)
    monkeypatch.setattr("vae.bound.density_ratio.DRAWS", 10_000)
    monkeypatch.setattr("vae.bound.density_ratio.WIDTH", 64)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.IMAGES", 20)
    monkeypatch.setattr("vae.diagnosis.findings.loose_bound.SAMPLES", (20, 100, 500))
