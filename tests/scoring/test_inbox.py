"""Each file that arrives is scored once, whatever its name, other files in the folders, or interrupted runs."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import flows.inbox
import params
import tasks.plots.annotated_images
import tasks.plots.scoring_report
import tasks.scoring.batch
import tasks.scoring.inbox
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256, source_of, text_of
from tasks.models import old_layout
from tasks.models.approved_models import ApprovedModels
from tasks.scoring.inbox import LIST
from tasks.scoring.shards import WORK
from tests.conftest import copy_settings
from tests.scoring.test_batch import stub_outputs
from tests.scoring.test_resume import models, stopping

INBOX, SCORED = Path("data/inbox"), Path("data/inbox_results")
FACES = [
    cv2.imencode(".png", face)[1].tobytes()
    for face in draw_faces(np.random.default_rng(5), np.arange(6) % 5, 96, KEYPOINTS_FRAMING)[0]
]


@pytest.fixture(autouse=True)
def production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkout with an inbox and stub models; the last version of this list is in production."""
    monkeypatch.chdir(tmp_path)
    copy_settings(tmp_path)
    INBOX.mkdir(parents=True)
    versions, approved = ["v1.0.0"], models(Path("models"))

    def load_model_set(model_set: str) -> tuple[ApprovedModels, str]:
        if model_set not in ("prod", *versions):
            raise InputError(f"{model_set}: no version")
        return approved, versions[-1] if model_set == "prod" else model_set

    times = iter(range(100))
    monkeypatch.setattr(flows.inbox, "load_model_set", load_model_set)
    monkeypatch.setattr(flows.inbox, "_now", lambda: f"time {next(times):02}")
    monkeypatch.setattr(tasks.scoring.batch, "make_predictor", lambda *_: stub_outputs)
    return versions


def put(name: str | bytes, content: bytes = FACES[0]) -> None:
    with open(os.path.join(os.fsencode(INBOX), os.fsencode(name)), "wb") as handle:
        handle.write(content)


def finished() -> list[dict[str, str]]:
    """Names, as in the lists, and hashes, of each complete run."""
    tables = [pd.read_csv(path).set_index("source")["sha256"] for path in sorted(SCORED.glob(f"*/{LIST}"))]
    return [{Path(str(name)).name: sha for name, sha in table.items()} for table in tables]


def scored(out: Path) -> list[str]:
    return [Path(name).name for name in pd.read_parquet(out / "predictions.parquet")["source"]]


def during(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, act: Callable[[], object]) -> None:
    """Call `act` before each call of a function."""
    whole = getattr(owner, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        act()
        return whole(*args, **kwargs)

    monkeypatch.setattr(owner, name, function)


def test_other_files_stay() -> None:
    put("a.png")
    (SCORED / "notes").mkdir(parents=True)
    (SCORED / "notes/mine.txt").write_text("mine")
    (SCORED / "mine.txt").write_text("mine")
    (SCORED / "empty").mkdir()
    elsewhere = Path("elsewhere")
    (elsewhere / WORK).mkdir(parents=True)
    (elsewhere / WORK / "manifest.json").write_text("{}")
    (SCORED / "link").symlink_to(elsewhere.absolute())
    (SCORED / "within").mkdir()
    (SCORED / "within" / WORK).symlink_to((elsewhere / WORK).absolute())
    before = {path for path in [*SCORED.rglob("*"), *elsewhere.rglob("*")] if "time" not in str(path)}
    flows.inbox.inbox(params.load())
    assert finished() == [{"a.png": sha256(INBOX / "a.png")}]
    assert {path for path in [*SCORED.rglob("*"), *elsewhere.rglob("*")] if "time" not in str(path)} == before


STEPS: dict[str, tuple[object, str]] = {
    "start of the list": (flows.inbox, "begin_list"),
    "scoring": (flows.inbox, "score_sources"),
    "manifest": (tasks.scoring.batch, "count_records"),
    "shards": (tasks.scoring.batch, "write_shard"),
    "joining": (tasks.scoring.batch, "join_shards"),
    "list of the scored": (flows.inbox, "settle_list"),
    "count": (flows.inbox, "count_scored"),
    "drift": (flows.inbox, "watch_drift"),
    "drawing": (tasks.plots.annotated_images, "annotate"),
    "report": (tasks.plots.scoring_report, "write_report"),
    "list published": (flows.inbox, "note_arrived"),
    "clean-up": (flows.inbox, "finish_run"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_run_killed_at_any_step_is_resumed(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (0, 1):
        put(f"{number}.png", FACES[number])
    with monkeypatch.context() as killed:
        stopping(killed, *STEPS[step], 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            flows.inbox.inbox(params.load())
    put("2.png", FACES[2])
    flows.inbox.inbox(params.load())
    listed = [sorted(names) for names in finished()]
    once = step == "start of the list"  # nothing was written
    assert listed == ([["0.png", "1.png", "2.png"]] if once else [["0.png", "1.png"], ["2.png"]])
    assert [sorted(scored(out)) for out in sorted(SCORED.iterdir())] == listed
    assert not list(SCORED.rglob(f"*/{WORK}"))
    assert all((out / "report.html").exists() and len(list((out / "pictures").iterdir())) for out in SCORED.iterdir())
    flows.inbox.inbox(params.load())
    assert len(finished()) == len(listed)


def killed_run(monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> Path:
    with monkeypatch.context() as killed:
        stopping(killed, owner, name, 0, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            flows.inbox.inbox(params.load())
    (out,) = SCORED.iterdir()
    return out


def test_a_run_that_cannot_be_resumed_is_abandoned_and_a_note_in_it_stays(
    production: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("a.png")
    killed = killed_run(monkeypatch, tasks.scoring.batch, "join_shards")
    (killed / "note.txt").write_text("mine")
    production.append("v1.1.0")
    flows.inbox.inbox(params.load())
    assert {path.name for path in killed.iterdir()} - {".gitignore"} == {"note.txt"}
    (table,) = SCORED.glob("*/predictions.parquet")
    assert set(pd.read_parquet(table)["model_version"]) == {"v1.1.0"}
    assert [list(names) for names in finished()] == [["a.png"]]


def test_a_file_that_changed_since_a_kill_is_scored_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    put("b.png", FACES[1])
    killed = killed_run(monkeypatch, tasks.scoring.batch, "join_shards")
    put("a.png", FACES[2])
    flows.inbox.inbox(params.load())
    assert not killed.exists()
    assert finished() == [{name: sha256(INBOX / name) for name in ("a.png", "b.png")}]


def test_complete_tables_keep_their_model_version(production: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    killed = killed_run(monkeypatch, flows.inbox, "watch_drift")
    production.append("v1.1.0")
    (INBOX / "a.png").unlink()
    flows.inbox.inbox(params.load())
    assert set(pd.read_parquet(killed / "predictions.parquet")["model_version"]) == {"v1.0.0"}
    assert "v1.0.0" in (killed / "drift.json").read_text()
    assert [list(names) for names in finished()] == [["a.png"]]


def test_an_unfinished_run_of_an_earlier_version_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has shards and a fingerprint, but no list of its files."""
    put("a.png")
    killed = killed_run(monkeypatch, tasks.scoring.batch, "join_shards")
    (killed / WORK / tasks.scoring.inbox.ASKED).unlink()
    flows.inbox.inbox(params.load())
    assert not killed.exists()
    assert [list(names) for names in finished()] == [["a.png"]]


NAMES = [
    b"caf\xe9.png",
    b"caf\\xe9.png",
    b"caf\\udce9.png",
    b"caf\\x5cxe9.png",
    b"\xff\xfe.png",
    b"line\nbreak\r.png",
    b'quote"d,.png',
    b"-option.png",
    b"[1]*?.png",
    b"x::y.png",
    b"http:.png",
    "顔 é.png".encode(),
    "\U00020000".encode() * 62 + b".png",
    b"a" * 251 + b".png",
    b"<b>.png",
    b"=1+1.png",
]


def test_files_of_any_name_are_scored_drawn_and_listed_once() -> None:
    for name in NAMES:
        # Different bytes each: data after the end of an image is ignored.
        put(name, FACES[0] + name)
    put(b"\xe9.csv", b"a,b\n1,2\n")
    put(b"a::b.parquet", b"no table")
    pd.DataFrame({"image": [FACES[1]]}).to_parquet(INBOX / "a::b*.parquet")
    flows.inbox.inbox(params.load())
    (out,) = SCORED.iterdir()
    table = pd.read_parquet(out / "predictions.parquet")
    assert {os.fsencode(os.path.basename(source_of(text))) for text in table["source"]} == {*NAMES, b"a::b*.parquet"}
    assert len(list((out / "pictures").iterdir())) == len(NAMES)
    assert len(finished()[0]) == len(NAMES) + 3
    assert set(pd.read_parquet(out / "skipped.parquet")["source"]) == {f"{INBOX}/\\xe9.csv", f"{INBOX}/a::b.parquet"}
    flows.inbox.inbox(params.load())
    assert len(finished()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_recovered_from_its_text(name: bytes) -> None:
    text = text_of(os.fsdecode(name))
    assert os.fsencode(source_of(text)) == name
    text.encode()


def test_no_two_names_share_a_text() -> None:
    assert len({text_of(os.fsdecode(name)) for name in NAMES}) == len(NAMES)
    assert text_of("plain\\name é.png") == "plain\\name é.png"


def test_a_face_of_a_file_whose_name_is_not_utf_8_is_shown_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    put(b"caf\xe9.png")
    flows.inbox.inbox(params.load())
    (out,) = SCORED.iterdir()
    assert (out / "faces.png").exists()
    assert (out / "pictures/0001-caf_xe9.jpg").exists()


def test_a_file_that_disappears_before_it_is_hashed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    put("b.png", FACES[1])
    during(monkeypatch, tasks.scoring.inbox, "sha256", lambda: (INBOX / "a.png").unlink(missing_ok=True))
    flows.inbox.inbox(params.load())
    assert [list(names) for names in finished()] == [["b.png"]]


def test_a_file_that_disappears_before_it_is_scored_is_new_when_it_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    put("b.png", FACES[1])
    with monkeypatch.context() as patched:
        during(patched, flows.inbox, "score_sources", lambda: (INBOX / "a.png").unlink())
        flows.inbox.inbox(params.load())
    put("a.png")
    flows.inbox.inbox(params.load())
    assert [list(names) for names in finished()] == [["b.png"], ["a.png"]]


@pytest.mark.parametrize("when", ["score_sources", "settle_list"])
def test_a_file_that_is_still_being_copied_is_new_once_it_is_complete(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that were hashed may not be those that were scored."""
    put("a.png", FACES[0][:500])
    with monkeypatch.context() as patched:
        during(patched, flows.inbox, when, lambda: put("a.png"))
        flows.inbox.inbox(params.load())
    assert finished() == [{}]
    flows.inbox.inbox(params.load())
    assert finished() == [{}, {"a.png": sha256(INBOX / "a.png")}]
    flows.inbox.inbox(params.load())
    assert len(finished()) == 2


def test_a_file_moved_away_after_it_was_scored_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    put("a.png")
    during(monkeypatch, tasks.plots.annotated_images, "draw_pictures", lambda: (INBOX / "a.png").unlink())
    flows.inbox.inbox(params.load())
    assert [list(names) for names in finished()] == [["a.png"]]


@pytest.mark.parametrize("content", ["", "source\na.png\n", "nothing of the kind"])
def test_an_invalid_list_is_named(content: str) -> None:
    put("a.png")
    (SCORED / "monday").mkdir(parents=True)
    (SCORED / "monday" / LIST).write_text(content)
    with pytest.raises(
        InputError, match=rf"monday/{LIST}: is not a list with the columns source and sha256 .* remove it"
    ):
        flows.inbox.inbox(params.load())


def test_both_folders_may_be_links() -> None:
    put("a.png")
    for folder in (INBOX, SCORED):
        disk = Path("disk") / folder.name
        disk.parent.mkdir(exist_ok=True)
        if folder.exists():
            folder.rename(disk)
        else:
            disk.mkdir()
        folder.symlink_to(disk.absolute())
    flows.inbox.inbox(params.load())
    assert [list(names) for names in finished()] == [["a.png"]]
    assert SCORED.is_symlink()
    assert len(list(Path("disk/inbox_results").iterdir())) == 1


def test_a_file_in_a_list_of_the_earlier_version_is_not_scored_again() -> None:
    put("old.png")
    put("new.png", FACES[1])
    old = Path(old_layout.PROCESSED_LISTS.replace("*", "monday"))
    old.parent.mkdir(parents=True)
    # The lists compare bytes, so the file may have been moved since.
    old.write_text(f'"source","sha256"\n"data/inbox/elsewhere.png","{sha256(INBOX / "old.png")}"\n')
    flows.inbox.inbox(params.load())
    assert finished() == [{"new.png": sha256(INBOX / "new.png")}]
    (out,) = SCORED.iterdir()
    assert scored(out) == ["new.png"]
    assert old.exists()
