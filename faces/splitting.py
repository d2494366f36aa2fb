"""Groups that must not straddle the parts, parts that never move, and an independent check for leaks."""

import hashlib
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

PARTS = ("train", "validation", "test")


def image_keys(images: np.ndarray) -> list[str]:
    """A key per face (N, H, W) that its exact copies and their mirror images share."""
    return [min(_digest(image), _digest(image[:, ::-1])) for image in images]


def _digest(image: np.ndarray) -> str:
    return hashlib.sha1(np.ascontiguousarray(image).tobytes(), usedforsecurity=False).hexdigest()


def groups(keys: Sequence[str], persons: Sequence[str]) -> list[str]:
    """The group of each face: its person's, joined with every group in which an exact copy of it stands.

    A face without a person ("") is in the group of its copies. The name is the least of the names that were joined.
    """
    faces = len(keys)
    names = [[f"image:{key}"] for key in keys]
    for own, person in zip(names, persons, strict=True):
        if person:
            own.append(f"person:{person}")
    vocabulary = sorted({name for own in names for name in own})
    column = {name: faces + position for position, name in enumerate(vocabulary)}
    edges = np.array([(face, column[name]) for face, own in enumerate(names) for name in own])
    size = faces + len(vocabulary)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(size, size))
    component = connected_components(graph, directed=False)[1]
    # People before images: appending a copy of a person's face must not rename the person's group.
    least: dict[int, str] = {}
    for name in sorted(vocabulary, key=lambda name: (name.startswith("image:"), name)):
        least.setdefault(component[column[name]], name)
    return [least[component[face]] for face in range(faces)]


def parts(group_names: Sequence[str], seed: int, validation: float, test: float) -> np.ndarray:
    """The part of each row, (N,) str, from a hash of its group's name.

    Rows appended later move none of these, unless they join two groups that were apart.
    """
    position = np.array([_unit_hash(f"{seed}:{name}") for name in group_names])
    return np.where(position < test, "test", np.where(position < test + validation, "validation", "train"))


def _unit_hash(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def leaks(parts_images: dict[str, np.ndarray], parts_persons: dict[str, Sequence[str]]) -> dict[str, int]:
    """How many exact images (mirrored or not) and persons stand in more than one part; independent of the split.

    `parts_images` holds (N, H, W) uint8 per part, `parts_persons` (N,) names, "" where unknown.
    """
    seen: dict[bytes, set[str]] = {}
    people: dict[str, set[str]] = {}
    for part, images in parts_images.items():
        for image in images:
            either = min(image.tobytes(), np.fliplr(image).tobytes())
            seen.setdefault(either, set()).add(part)
        for person in parts_persons[part]:
            if person:
                people.setdefault(person, set()).add(part)
    return {
        "images_in_two_parts": sum(len(where) > 1 for where in seen.values()),
        "persons_in_two_parts": sum(len(where) > 1 for where in people.values()),
    }
