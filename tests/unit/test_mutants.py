"""The lists of small faults have not grown old: what they name is there."""

from __future__ import annotations

from tests.mutants.listed import read_faults
from tests.mutants.pure import read_list
from tests.mutants.tree import ROOT


def test_every_listed_fault_can_be_put_in() -> None:
    assert len(read_faults()) > 100


def test_every_module_and_test_of_the_pure_ones_is_there() -> None:
    groups, equivalents = read_list()
    listed = {module for group in groups for module in group.modules}
    assert {one.place for one in equivalents if not (ROOT / one.place).is_file()} == set()
    assert len(listed) > 20
