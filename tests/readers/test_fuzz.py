"""Damaged files of every format are read without a surprise: a few tries of each; `tests/acceptance` makes many."""

from pathlib import Path

import pytest

from tests.readers import fuzz
from tests.readers.fuzz_children import in_a_child

TRIES = 60


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_the_first_seed_is_sound(kind: str, tmp_path: Path) -> None:
    """A fuzzer whose seeds nobody reads finds nothing."""
    assert fuzz.one_try(kind, fuzz.content_of_try(kind, 0), tmp_path)


def test_a_try_is_told_by_its_number() -> None:
    contents = [fuzz.content_of_try("png", number) for number in range(200)]
    assert len(set(contents)) > 180
    assert contents[99] == fuzz.content_of_try("png", 99)


def test_tries_of_every_format_find_nothing() -> None:
    found = in_a_child(fuzz.KINDS, 0, TRIES)
    assert [one["failures"] for one in found] == [[]] * len(fuzz.KINDS)
    assert [one["tries"] for one in found] == [TRIES] * len(fuzz.KINDS)
    assert all(one["decoded"] for one in found), found
