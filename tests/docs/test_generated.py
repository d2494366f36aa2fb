"""The generated pages are current, and complete: settings, commands, stages, modules, and the figure of the graph."""

import re

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

import params
from docs.generate import settings
from docs.generate.__main__ import DOCS, PAGES, content
from docs.generate.pipeline_figure import edges_of, layers, reduced
from docs.generate.stages import stages
from tests.conftest import ROOT, tracked_files


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_current(name: str) -> None:
    assert (DOCS / name).read_bytes() == content(name), "run `make docs`"


def test_the_page_of_settings_has_a_row_for_each_value() -> None:
    """The keys of a teacher are those of a student; the page says so."""
    rows, section = set(), ""
    for line in settings.page().splitlines():
        if heading := re.match(r"##(#?) `(.+)`", line):
            section = f"{heading[2]}." if heading[1] else ""
        elif row := re.match(r"\| `(\w+)` \|", line):
            rows.add(section + row[1])
    keys = set()
    for model in params.schemas("NAME", "NAME").values():
        paths = list(params.key_paths(model))
        keys |= {
            ".".join(path) for path in paths if not any(other[: len(path)] == path for other in paths if other != path)
        }
    assert rows - {"keypoints.teachers", "emotion.teachers"} == {key for key in keys if ".teachers." not in key}


def test_each_example_is_the_value_in_the_file() -> None:
    content = YAML(typ="safe").load(ROOT / "conf/recipe/sample.yaml")
    section = settings.page().partition("### `emotion.student`")[2]
    row = next(line for line in section.splitlines() if line.startswith("| `batch_size`"))
    assert row.split("|")[2:6] == [" integer ", " faces ", "  ", f" `{content['emotion']['student']['batch_size']}` "]


def test_units_belong_to_keys_that_there_are() -> None:
    names = {key for model in params.schemas("NAME", "NAME").values() for key in params.key_paths(model)}
    ends = {path[-1] for path in names} | {".".join(path[-2:]) for path in names}
    assert set(settings.UNITS) - ends == set()


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # in DVC
def test_the_figure_has_the_edges_that_dvc_finds() -> None:
    """DVC's graph of `prepare@keypoints` and the like, by stage; without the edges that follow from others."""
    with Repo(str(ROOT)) as repo:
        by_dvc = {(a.addressing.split("@")[0], b.addressing.split("@")[0]) for b, a in repo.index.graph.edges}
    drawn = edges_of(stages())
    assert drawn == {(a, b) for a, b in by_dvc if a != b}
    assert reduced(drawn) <= drawn


def test_an_edge_that_follows_from_others_is_not_drawn() -> None:
    edges = {("a", "b"), ("b", "c"), ("a", "c"), ("a", "d")}
    assert reduced(edges) == {("a", "b"), ("b", "c"), ("a", "d")}
    assert layers(["d", "c", "b", "a"], reduced(edges)) == [["a"], ["b", "d"], ["c"]]


def test_the_page_of_modules_lists_every_module() -> None:
    page = (DOCS / "reference/modules.md").read_text()
    listed = set()
    for section in page.split("\n## `")[1:]:
        package = section.partition("`")[0]
        listed |= {f"{package}/{name}.py" for name in re.findall(r"^\| `(\w+)` \| \S", section, re.M)}
    folders = ("params", "flows", "tasks", "faces")
    modules = {path.as_posix() for path in tracked_files() if path.parts[0] in folders and path.suffix == ".py"}
    assert listed == {path for path in modules if not path.endswith("__init__.py")}
