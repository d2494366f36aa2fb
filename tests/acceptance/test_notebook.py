"""A fresh run of the notebook gives the outputs that are committed."""

import re

import nbformat
import pytest

from docs.generate.notebook import text_of
from docs.notebook import NOTEBOOK, executed

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])")
TOLERANCE, RATIO, COUNTS = 0.03, 0.01, 2
"""Processors round int8 models differently: of probabilities and errors, of pixels, and of counts of faces."""


def split(text: str) -> tuple[list[str], list[str]]:
    """The words of a text with `#` for each number, and the numbers; the width of columns is ignored."""
    return NUMBER.sub("#", text).split(), NUMBER.findall(text)


def differences(found: str, expected: str) -> list[tuple[str, str]]:
    """Pairs of numbers that differ by more than the tolerance. Fails if anything else differs."""
    (found_words, found_numbers), (words, numbers) = split(found), split(expected)
    assert found_words == words
    pairs = zip(found_numbers, numbers, strict=True)
    return [(a, b) for a, b in pairs if abs(float(a) - float(b)) > allowed(b)]


def allowed(number: str) -> float:
    return max(TOLERANCE, RATIO * abs(float(number))) if "." in number else COUNTS


def test_a_fresh_run_has_the_committed_outputs() -> None:
    committed = nbformat.read(NOTEBOOK, as_version=4)
    fresh = executed(nbformat.read(NOTEBOOK, as_version=4))
    outputs = [
        [[text_of(one) for one in cell.get("outputs", [])] for cell in notebook.cells]
        for notebook in (fresh, committed)
    ]
    assert [len(cell) for cell in outputs[0]] == [len(cell) for cell in outputs[1]]
    pairs = [pair for cells in zip(*outputs, strict=True) for pair in zip(*cells, strict=True)]
    assert [differences(found, expected) for found, expected in pairs] == [[]] * len(pairs)


@pytest.mark.parametrize(
    ("found", "expected", "wrong"),
    [
        ("anger  0.212 7", "anger 0.230   9", []),
        ("anger 0.212", "anger 0.300", [("0.212", "0.300")]),
        ("48.5", "48.2", []),
        ("12 faces", "9 faces", [("12", "9")]),
    ],
)
def test_only_large_differences_count(found: str, expected: str, wrong: list[tuple[str, str]]) -> None:
    assert differences(found, expected) == wrong


def test_other_words_are_a_difference() -> None:
    with pytest.raises(AssertionError):
        differences("anger 0.2", "sad 0.2")
