"""Time and memory of the search for near-duplicates and of the leakage check, up to a million faces.

    python -m benchmarks.near_duplicates --faces 20000 1000000

The faces are made: a common face, and smooth noise that gives them about as many pairs of similar hashes as real faces
have. Copies (noisy, mirrored, brighter) are planted in all splits. The search must find them, and the leakage check
must count as many pairs across splits as the search found. Each figure is of a process of its own. Up to MOST_BEFORE
faces, the ways before FAISS and principal components are measured in the same run, and must find the same pairs.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.processes import measured_apart, peak_mb
from benchmarks.tables import print_table
from faces.preparation.leakage import count_leakage
from faces.preparation.near_duplicates import find_near_duplicates, standardized
from faces.preparation.perceptual_hash import perceptual_hashes

SIDE = 48
SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}
CLOSE = (10, 0.9)
"""The greatest Hamming distance and the lowest correlation of near-duplicates, as the presets have them."""
PLANTED = 60
MOST_BEFORE = 20_000
BLOCK = 2048


def make_faces(path: Path, count: int) -> set[tuple[int, int]]:
    """Write `count` faces (N, 48, 48) uint8 to a `.npy` file; returns the planted pairs by number, first < second."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIDE, SIDE))
    generator = np.random.default_rng(0)
    common = _smooth(np.random.default_rng(1).standard_normal((1, 8, 8)))
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        own = _smooth(generator.standard_normal((size, 8, 8)))
        grain = generator.standard_normal((size, SIDE, SIDE), np.float32)
        images[start : start + size] = np.clip(127 + 40 * (0.8 * common + own) + 6 * grain, 0, 255)
    firsts = np.arange(PLANTED) * (count // PLANTED)
    seconds = (firsts + count // 2 + 1) % count
    for number, (first, second) in enumerate(zip(firsts.tolist(), seconds.tolist(), strict=True)):
        images[second] = _copy(images[first], number, generator)
    images.flush()
    return {(min(pair), max(pair)) for pair in zip(firsts.tolist(), seconds.tolist(), strict=True)}


def _smooth(values: np.ndarray) -> np.ndarray:
    """(N, 8, 8) enlarged to (N, 48, 48) by linear interpolation."""
    place = np.linspace(0, 7, SIDE)
    weights = np.maximum(1 - np.abs(place[:, None] - np.arange(8)), 0).astype(np.float32)
    enlarged: np.ndarray = weights @ values.astype(np.float32) @ weights.T
    return enlarged


def _copy(image: np.ndarray, number: int, generator: np.random.Generator) -> np.ndarray:
    noisy = np.clip(image + 3 * generator.standard_normal(image.shape), 0, 255).astype(np.uint8)
    return (noisy, noisy[:, ::-1], np.minimum(image, 235) + np.uint8(20))[number % 3]


def search(images: np.ndarray) -> set[tuple[int, int]]:
    """The near-duplicates, as the stage `prepare` finds them."""
    found = find_near_duplicates(images, *CLOSE)
    return set(zip(found["first"].tolist(), found["second"].tolist(), strict=True))


def search_before(images: np.ndarray) -> set[tuple[int, int]]:
    """The same, every pair of hashes compared by NumPy, all faces in memory as floats."""
    flipped = images[:, :, ::-1]
    hashes, flipped_hashes = perceptual_hashes(images), perceptual_hashes(flipped)
    flat, flipped_flat = standardized(images), standardized(flipped)
    found = set()
    for one, other, second_flat in (
        (hashes, hashes, flat),
        (hashes, flipped_hashes, flipped_flat),
        (flipped_hashes, hashes, flipped_flat),
    ):
        for start in range(0, len(images), 1024):
            close = np.bitwise_count(one[start : start + 1024, None] ^ other[None, start:]) <= CLOSE[0]
            first, second = np.nonzero(close)
            pairs = np.stack([first, second], axis=1)[first < second] + start
            correlation = np.einsum("ij,ij->i", flat[pairs[:, 0]], second_flat[pairs[:, 1]])
            found |= set(map(tuple, pairs[correlation >= CLOSE[1]].tolist()))
    return found


def check(images: np.ndarray) -> int:
    """The near-duplicates in more than one split, as the leakage check counts them."""
    splits = _splits(images)
    names: dict[str, Sequence[str]] = {name: [""] * len(part) for name, part in splits.items()}
    return count_leakage(splits, names, *CLOSE)["cross_split_near_duplicates"]


def check_before(images: np.ndarray) -> int:
    """The same, by the correlations of all pairs."""
    splits, count = _splits(images), 0
    for one, other in combinations(splits.values(), 2):
        flat, near = standardized(one), set()
        hashes = [[perceptual_hashes(view) for view in (part, part[:, :, ::-1])] for part in (one, other)]
        for view, ways in ((other, [(0, 0)]), (other[:, :, ::-1], [(0, 1), (1, 0)])):
            for start in range(0, len(view), 512):
                correlations = flat @ standardized(view[start : start + 512]).T
                first, second = np.nonzero(correlations >= CLOSE[1])
                same, second = correlations[first, second] >= 0.99, second + start
                each = [np.bitwise_count(hashes[0][a][first] ^ hashes[1][b][second]) for a, b in ways]
                close = same | (np.min(each, axis=0) <= CLOSE[0])
                near |= set(zip(first[close].tolist(), second[close].tolist(), strict=True))
        count += len(near)
    return count


def _splits(images: np.ndarray) -> dict[str, np.ndarray]:
    ends = np.rint(np.cumsum(list(SPLITS.values())) * len(images)).astype(int)
    return {name: images[start:end] for name, start, end in zip(SPLITS, [0, *ends[:-1]], ends, strict=True)}


def cross_split(pairs: set[tuple[int, int]], count: int) -> int:
    """How many of the pairs are in different splits of `count` faces."""
    ends = np.rint(np.cumsum(list(SPLITS.values())) * count)
    return sum(
        bool(np.searchsorted(ends, one, "right") != np.searchsorted(ends, other, "right")) for one, other in pairs
    )


WAYS: dict[str, Callable] = {
    "search, before": search_before,
    "search": search,
    "check, before": check_before,
    "check": check,
}


def _measure(way: str, path: Path) -> None:
    images, started = np.load(path, mmap_mode="r"), time.perf_counter()
    found = WAYS[way](np.asarray(images))
    seconds = time.perf_counter() - started
    print(json.dumps({"s": seconds, "MB": peak_mb(), "found": sorted(found) if isinstance(found, set) else found}))


def measure(count: int) -> dict[str, dict]:
    """Seconds `s`, peak `MB` and what was found, by way. Raises AssertionError if a planted pair is missed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faces.npy"
        planted = make_faces(path, count)
        results = {}
        for way in WAYS:
            if count <= MOST_BEFORE or "before" not in way:
                results[way] = measured_apart("benchmarks.near_duplicates", "--way", way, "--path", str(path))
    found = {(first, second) for first, second in results["search"]["found"]}
    if missed := planted - found:
        raise AssertionError(f"the search missed the planted pairs {sorted(missed)}")
    if results["check"]["found"] != cross_split(found, count):
        raise AssertionError(f"the check counts {results['check']['found']}, the search {cross_split(found, count)}")
    for way in ("search", "check"):
        if results.get(f"{way}, before", results[way])["found"] != results[way]["found"]:
            raise AssertionError(f"{way}: other pairs than before")
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, nargs="+", default=[MOST_BEFORE])
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.way:
        _measure(options.way, options.path)
        return
    if min(options.faces) < 2 * PLANTED:
        sys.exit(f"at least {2 * PLANTED} faces are needed")
    rows = []
    for count in options.faces:
        for way, one in measure(count).items():
            pairs = len(one["found"]) if isinstance(one["found"], list) else one["found"]
            rows.append([f"{count:,}", way, f"{one['s']:.1f}", f"{one['MB']:,.0f}", f"{pairs:,}"])
    print_table("Near-duplicates", ("faces", "way", "s", "peak MB", "pairs"), rows)


if __name__ == "__main__":
    main()
