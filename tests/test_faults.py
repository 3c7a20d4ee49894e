"""Every fault that has to be survived has a test that shows it, or a reason why none can."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[1]


def test_all_of_them_are_there() -> None:
    assert sorted(fault.number for fault in FAULTS if fault.number) == list(range(1, 37))
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_its_tests_exist(fault: Fault) -> None:
    assert fault.tests or fault.reason
    for test in fault.tests:
        file, _, name = test.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
