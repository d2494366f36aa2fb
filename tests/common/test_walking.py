"""Every file below a folder is found once or left out with a reason, whatever links lead where."""

import os
from pathlib import Path

import pytest

from tasks.common.files import InputError
from tasks.common.walking import HIDDEN, TWICE, LeftOut, is_hidden, summary_of, walk


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def found(folder: Path) -> tuple[list[str], dict[str, str]]:
    walked = walk(str(folder))
    return (
        [os.path.relpath(path, folder) for path in walked.files],
        {os.path.relpath(path, folder): why for path, why in walked.left_out},
    )


def test_any_component_of_a_path_can_make_it_hidden() -> None:
    hidden = ["__MACOSX/train/happy/._1.png", "train/._1.png", ".git/1.png", "a/.DS_Store", "a/__MACOSX/b"]
    hidden += ["a/Thumbs.db", "desktop.ini", "@eaDir/1.png"]
    assert [name for name in [*hidden, "a.b/c.png", "./a.png", "a__MACOSX/b"] if is_hidden(name)] == hidden


def test_hidden_files_and_folders_are_left_out_and_named(tmp_path: Path) -> None:
    made(tmp_path, "b.png", "a/c.png", "a/.gitkeep", ".git/config", "a/Thumbs.db", "__MACOSX/._b.png")
    files, left_out = found(tmp_path)
    assert files == ["a/c.png", "b.png"]
    assert left_out == dict.fromkeys([".git", "__MACOSX", "a/.gitkeep", "a/Thumbs.db"], HIDDEN)


def test_a_linked_folder_is_entered_once_and_a_real_folder_comes_first(tmp_path: Path) -> None:
    inside = made(tmp_path / "in", "real/1.png", "b/2.png")
    made(tmp_path / "elsewhere", "3.png")
    (inside / "again").symlink_to(inside / "real")
    (inside / "b/round").symlink_to(inside)
    (inside / "b/out").symlink_to(tmp_path / "elsewhere")
    (inside / "out").symlink_to(tmp_path / "elsewhere")
    files, left_out = found(inside)
    assert files == ["b/2.png", "out/3.png", "real/1.png"]
    assert left_out == dict.fromkeys(["again", "b/out", "b/round"], TWICE)
    assert walk(str(inside)).roots == [str(inside), str(tmp_path / "elsewhere")]


def test_a_link_to_a_folder_above_finds_the_rest_of_it_once(tmp_path: Path) -> None:
    made(tmp_path, "1.png", "in/2.png", "other/3.png")
    (tmp_path / "in/up").symlink_to(tmp_path)
    files, left_out = found(tmp_path / "in")
    assert files == ["2.png", "up/1.png", "up/other/3.png"]
    assert left_out == {"up/in": TWICE}


def test_links_to_files_and_broken_links_are_files(tmp_path: Path) -> None:
    made(tmp_path, "1.png")
    (tmp_path / "2.png").symlink_to(tmp_path / "1.png")
    (tmp_path / "3.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "4.png").symlink_to(tmp_path / "4.png")
    assert found(tmp_path) == (["1.png", "2.png", "3.png", "4.png"], {})


def test_a_folder_that_cannot_be_searched_is_an_error_or_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "1.png", "closed/2.png")
    scandir = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(InputError, match=r"closed: cannot be searched \(Permission denied\); change its permissions"):
        walk(str(tmp_path))
    errors: list[OSError] = []
    assert walk(str(tmp_path), errors.append).files == [str(tmp_path / "1.png")]
    assert [error.filename for error in errors] == [str(tmp_path / "closed")]


def test_the_summary_counts_by_reason_and_shows_the_first_names() -> None:
    left_out = [LeftOut(f".{number}", HIDDEN) for number in range(1200)] + [LeftOut("a", TWICE)]
    assert summary_of(left_out) == (f"1,200 hidden or metadata of the system (.0, .1, .2, ...); 1 {TWICE} (a)")
    assert summary_of([]) == ""
