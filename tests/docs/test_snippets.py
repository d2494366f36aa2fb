"""Every block of README and documentation says how it is tested, and its commands, options, targets and keys exist.

`tests/acceptance/test_docs.py` runs the blocks that say `run`.
"""

import re
import shlex
from collections import Counter
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

import params
from docs.snippets import WAYS, Snippet, pages, snippets, snippets_of
from flows.cli import make_app
from tests.conftest import ROOT, copy_settings

SNIPPETS = snippets()
COMMANDS = [one for one in SNIPPETS if one.language == "bash"]
FACES = get_command(make_app())
TARGETS = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.M)) | {".venv/installed"}


def place(snippet: Snippet) -> str:
    return f"{snippet.page}:{snippet.line}"


def lines(snippet: Snippet) -> list[list[str]]:
    """The words of each command, without comments; lines that end in a backslash are joined."""
    text = snippet.text.replace("\\\n", " ")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=place)
def test_a_block_says_how_it_is_tested(snippet: Snippet) -> None:
    assert snippet.way in WAYS, "write a comment on the line before the block, see docs/snippets.py"
    assert (snippet.way == "settings") == (snippet.language == "yaml")
    assert bool(snippet.detail) == (snippet.way in ("tested in", "not run"))
    if snippet.way == "tested in":
        assert [name for name in snippet.detail.split(", ") if not (ROOT / name).is_file()] == []


def test_no_comment_is_left_without_a_block() -> None:
    marks = re.compile(rf"<!-- (?:{'|'.join(WAYS)})\b")
    for path in pages():
        own = len(marks.findall(path.read_text())) - (path.name == "CONTRIBUTING.md") * len(WAYS)
        assert own == sum(bool(one.way) for one in snippets_of(path)), path


def test_most_blocks_are_run_or_checked() -> None:
    counts = Counter(one.way for one in SNIPPETS)
    assert counts["not run"] <= len(SNIPPETS) / 4


@pytest.mark.parametrize("snippet", COMMANDS, ids=place)
def test_commands_options_targets_and_modules_exist(snippet: Snippet) -> None:
    for words in lines(snippet):
        words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S+", word)]
        for start, word in enumerate(words):
            rest = words[start + 1 :]
            if (word == "faces" and start == 0) or words[start - 2 : start + 1] == ["python", "-m", "flows"]:
                parse(rest[: rest.index("&")] if "&" in rest else rest)
            if word == "make" and start == 0:
                assert set(rest) <= TARGETS
            if word == "-m" and rest[0] != "pytest":
                assert find_spec(rest[0]), rest[0]


def parse(arguments: list[str]) -> None:
    """Parse a command line of `faces` without running it."""
    if arguments[0] in ("--help", "dask-worker"):
        return
    command = FACES.commands[arguments[0]]  # type: ignore[attr-defined]
    try:
        command.make_context(arguments[0], list(arguments[1:]))
    except Exception as error:  # Typer's own copy of Click's UsageError
        pytest.fail(getattr(error, "message", str(error)))


@pytest.mark.parametrize("snippet", COMMANDS, ids=place)
def test_settings_of_experiments_exist(snippet: Snippet) -> None:
    keys = {".".join(key) for model in params.schemas("NAME", "NAME").values() for key in params.key_paths(model)}
    for words in lines(snippet):
        for option, value in pairwise(words):
            if option in ("-S", "--set-param"):
                file, _, assignment = value.rpartition(":")
                assert assignment.partition("=")[0] in keys
                assert not file or (ROOT / file).is_file()


@pytest.mark.parametrize("snippet", [one for one in SNIPPETS if one.way == "settings"], ids=place)
def test_settings_are_valid(snippet: Snippet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their files, with the presets that the block names, or those of the sample."""
    copy_settings(tmp_path)
    monkeypatch.chdir(tmp_path)
    given = YAML(typ="safe").load(snippet.text)
    merge(Path("params.yaml"), {key: given[key] for key in ("dataset", "recipe") if key in given})
    chosen = YAML(typ="safe").load(Path("params.yaml"))
    files = params.section_files(chosen["dataset"], chosen["recipe"])
    for key, value in given.items():
        merge(files[key], {key: value})
    params.load()


def merge(path: Path, given: dict[str, Any]) -> None:
    yaml = YAML()
    content = yaml.load(path)
    put(content, given)
    yaml.dump(content, path)


def put(content: Any, given: dict[str, Any]) -> None:
    """Put values into nested sections; a section with a name, such as an architecture, replaces the old one."""
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict) and "name" not in value:
            put(content[key], value)
        else:
            content[key] = value


@pytest.mark.parametrize(
    ("text", "message"),
    [("make nowhere", "nowhere"), ("faces score --unknown x", "No such option"), ("python -m benchmarks.none", "none")],
)
def test_a_wrong_command_is_found(text: str, message: str) -> None:
    snippet = Snippet("page.md", 1, "bash", "run", "", text)
    with pytest.raises((AssertionError, pytest.fail.Exception), match=message):
        test_commands_options_targets_and_modules_exist(snippet)
