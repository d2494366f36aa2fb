"""Near-duplicates among a million faces: all planted pairs are found, by the search and by the leakage check."""

from benchmarks.near_duplicates import PLANTED, measure

FACES = 1_000_000
MOST_MB = 6 * 1024


def test_planted_pairs_are_found_among_a_million() -> None:
    """`measure` raises AssertionError if a planted pair is missed, or if the check counts other pairs."""
    results = measure(FACES)
    assert len(results["search"]["found"]) >= PLANTED
    assert results["check"]["found"] > 0
    for way in ("search", "check"):
        assert results[way]["MB"] < MOST_MB, way
