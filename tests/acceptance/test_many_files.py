"""Five thousand files in the inbox of the deployment `score`; its worker is killed meanwhile, and more files arrive."""

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from tasks.common.files import sha256
from tests.acceptance.deployed import Site
from tests.conftest import copy_project
from tests.orchestration.test_stage import flow_runs, wait_for

FILES, LATER, DRAWN = 5_000, 50, 250


def put(inbox: Path, numbers: range) -> None:
    """Tiny pictures, a hundred in a folder, no two of which have the same bytes."""
    faces, _ = draw_faces(np.random.default_rng(4), np.arange(DRAWN) % 5, 48, EMOTION_FRAMING)
    for number in numbers:
        face = faces[number % DRAWN].copy()
        face[0, :4] = [number >> 8, number & 255, 1, 2]
        path = inbox / f"{number // 100:02}/{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), face)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(copy_project(tmp_path / "project"))
    yield site
    site.stop()


def start(site: Site) -> str:
    """Trigger the deployment `score` with the fast model set; returns the run's ID."""
    return site.trigger("inbox/score", "--param", "model_set=fast")


def tables(site: Site, name: str) -> pd.DataFrame:
    """A table of all runs of the inbox, one below the other."""
    folders = sorted((site.project / "data/inbox_results").glob("*/"))
    paths = [path for folder in folders for path in folder.glob(name)]
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    return pd.concat([read(path) for path in paths], ignore_index=True)


@pytest.mark.timeout(3600)
def test_no_file_is_lost_and_none_is_scored_twice(site: Site) -> None:
    inbox, results = site.project / "data/inbox", site.project / "data/inbox_results"
    put(inbox, range(FILES))
    begun = time.monotonic()
    killed = start(site)
    wait_for(lambda: len(list(results.glob("*/.shards/predictions-*"))) >= 2)
    site.lose_worker()
    shards = len(list(results.glob("*/.shards/predictions-*")))
    put(inbox, range(FILES, FILES + LATER))
    site.run("python", "-m", "flows", "up")
    # Until then the deployment's only place is taken.
    wait_for(lambda: site.state(killed) == "CRASHED")

    resumed = start(site)
    assert site.finished(resumed) == "COMPLETED"
    print(f"{shards} shards when killed; {time.monotonic() - begun:.0f} s in all, with the wait for the crash")
    scored = sorted([*tables(site, "predictions.parquet")["source"], *tables(site, "skipped.parquet")["source"]])
    put_in = sorted(str(path.relative_to(site.project)) for path in inbox.rglob("*.png"))
    assert len(put_in) == FILES + LATER
    assert scored == put_in
    listed = tables(site, "processed.csv").set_index("source")["sha256"].to_dict()
    assert listed == {name: sha256(site.project / name) for name in put_in}
    assert len(tables(site, "processed.csv")) == FILES + LATER
    assert len(list(results.glob("*/"))) == 2

    idle = start(site)
    site.finished(idle)
    (last,) = [one for one in flow_runs(site.address, "inbox") if one["id"] == idle]
    assert last["state"]["name"] == "Skipped"
