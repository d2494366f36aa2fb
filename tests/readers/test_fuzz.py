"""Corrupt files of every format raise no unexpected error: a few tries of each; `tests/acceptance` makes many."""

from pathlib import Path

import pytest

from tests.readers import fuzz
from tests.readers.fuzz_children import in_a_child

TRIES = 60


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_the_first_seed_is_valid(kind: str, tmp_path: Path) -> None:
    """A fuzzer finds nothing if its seeds cannot be read."""
    assert fuzz.one_try(kind, fuzz.content_of_try(kind, 0), tmp_path)


def test_a_try_is_determined_by_its_number() -> None:
    contents = [fuzz.content_of_try("png", number) for number in range(200)]
    assert len(set(contents)) > 180
    assert contents[99] == fuzz.content_of_try("png", 99)


def test_tries_of_every_format_find_nothing() -> None:
    found = in_a_child(fuzz.KINDS, 0, TRIES)
    assert [result["failures"] for result in found] == [[]] * len(fuzz.KINDS)
    assert [result["tries"] for result in found] == [TRIES] * len(fuzz.KINDS)
    assert all(result["decoded"] for result in found), found
