"""100,000 damaged files of all formats: no crash, no exception outside a record, bounded memory and time."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.readers.fuzz import FAULTS, KINDS
from tests.readers.fuzz_children import in_a_child
from tests.readers.fuzz_seeds import picture_seeds

PICTURES, TABLES = 7_000, 2_500
"""Number of tries of each image format, and of each table or archive format."""
DECODED = 0.01
"""Minimum fraction of tries that decode: if all fail early, the decoders are not tested."""
CHECKSUMMED = {"emotion.csv.bz2", "emotion.csv.xz"}
"""Formats whose checksums refuse almost every damage; of these, one try in all must decode."""


@pytest.mark.timeout(3600)
def test_damaged_files_of_every_format_cause_no_crash_or_unexpected_exception() -> None:
    counts = {kind: PICTURES if kind in picture_seeds() else TABLES for kind in KINDS}
    assert sum(counts.values()) >= 100_000
    with ThreadPoolExecutor(2) as pool:
        found = [one for many in pool.map(lambda kind: in_a_child([kind], 0, counts[kind]), KINDS) for one in many]
    for one in found:
        print({name: value for name, value in one.items() if name != "failures"})
    assert [failure for one in found for failure in one["failures"]] == []
    assert {one["kind"]: one["tries"] for one in found} == counts
    decoded = {one["kind"]: one["decoded"] / one["tries"] for one in found}
    assert {kind: part for kind, part in decoded.items() if part <= (0 if kind in CHECKSUMMED else DECODED)} == {}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_fuzzer_finds_planted_faults(kind: str) -> None:
    (found,) = in_a_child([kind], 7, 1)
    (failure,) = found["failures"]
    assert failure.startswith(f"{kind} 7: ")
    expected = {
        "raises": "KeyError",
        "crashes": f"ended with {-signal.SIGSEGV}",
        "hangs": f"ended with {-signal.SIGPROF}",
        "takes memory": "MiB more in memory",
    }
    assert expected[kind] in failure
