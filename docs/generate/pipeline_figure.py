"""Draws the graph of dvc.yaml as an SVG: a box per stage, an arrow per edge that does not follow from others."""

from collections.abc import Iterable
from html import escape
from typing import Any

from docs.generate.stages import stages

WIDTH, HEIGHT, STEP_X, STEP_Y, MARGIN = 172, 28, 196, 52, 12
Edges = set[tuple[str, str]]


def svg() -> str:
    """Return the figure. Stages of both models share a box."""
    graph = stages()
    edges = reduced(edges_of(graph))
    rows = layers(list(graph), edges)
    places = _places(rows)
    width = 2 * MARGIN + max(x for x, _ in places.values()) + WIDTH
    height = 2 * MARGIN + max(y for _, y in places.values()) + HEIGHT
    arrows = "".join(_arrow(places[a], places[b]) for a, b in sorted(edges))
    boxes = "".join(_box(name, places[name], "matrix" in graph[name]) for name in graph)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="13">\n'
        "<title>The stages of dvc.yaml</title>\n"
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#5c6b7a"/></marker></defs>\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n{arrows}{boxes}</svg>\n'
    )


def edges_of(graph: dict[str, Any]) -> Edges:
    """Return (needed, needing) of stages: an output of the first is a dependency of the second."""
    makers = {path: name for name, stage in graph.items() for path in _paths(stage.get("outs", []))}
    makers |= {path: name for name, stage in graph.items() for path in _paths(stage.get("metrics", []))}
    found = set()
    for name, stage in graph.items():
        for needed in map(_general, stage.get("deps", [])):
            found |= {(maker, name) for path, maker in makers.items() if _overlap(path, needed) and maker != name}
    return found


def _paths(outputs: Iterable[Any]) -> list[str]:
    return [_general(next(iter(one)) if isinstance(one, dict) else one) for one in outputs]


def _general(path: str) -> str:
    """Return a path without the model, and the sample's path for a setting that names one."""
    samples = {"${ingest.keypoints}": "data/sample/keypoints.csv", "${ingest.emotion}": "data/sample/emotion.csv"}
    path = samples.get(path, path).replace("${score.input}", "data/prepared/emotion/test.npz")
    return path.replace("${item.model}", "MODEL").replace("keypoints", "MODEL").replace("emotion", "MODEL")


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def reduced(edges: Edges) -> Edges:
    """Return the edges without those that a longer path implies."""
    following = {name: {b for a, b in edges if a == name} for edge in edges for name in edge}

    def reaches(start: str, end: str) -> bool:
        return any(name == end or reaches(name, end) for name in following[start])

    return {(a, b) for a, b in edges if not any(reaches(other, b) for other in following[a] - {b})}


def layers(names: list[str], edges: Edges) -> list[list[str]]:
    """Return the stages by the length of the longest path to them, those that others need first."""
    depth: dict[str, int] = {}
    while len(depth) < len(names):
        for name in names:
            needs = [a for a, b in edges if b == name]
            if name not in depth and all(one in depth for one in needs):
                depth[name] = max((depth[one] + 1 for one in needs), default=0)
    rows: list[list[str]] = []
    for level in range(max(depth.values()) + 1):
        row = [name for name in names if depth[name] == level]
        rows.append(sorted(row, key=lambda name: not any(a == name for a, _ in edges)))
    return rows


def _places(rows: list[list[str]]) -> dict[str, tuple[int, int]]:
    return {
        name: (MARGIN + column * STEP_X, MARGIN + level * STEP_Y)
        for level, row in enumerate(rows)
        for column, name in enumerate(row)
    }


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return a curve from the bottom of one box to the top of another."""
    x1, y1, x2, y2 = start[0] + WIDTH // 2, start[1] + HEIGHT, end[0] + WIDTH // 2, end[1]
    bend = (y2 - y1) // 2
    path = f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
    return f'<path d="{path}" fill="none" stroke="#5c6b7a" stroke-width="1.4" marker-end="url(#head)"/>\n'


def _box(name: str, place: tuple[int, int], per_model: bool) -> str:
    x, y = place
    label = escape(name + (" x 2" if per_model else ""))
    fill = "#e3f0ec" if per_model else "#eef1f5"
    return (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{fill}" stroke="#5c6b7a"/>'
        f'<text x="{x + WIDTH // 2}" y="{y + HEIGHT // 2 + 4}" text-anchor="middle" fill="#1d2733">{label}</text>\n'
    )
