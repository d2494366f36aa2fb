"""A batch unlike the judged faces is told of; a few odd faces, or a million nearly alike, are not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import params
import tasks.scoring.drift_check
from faces.plots.scoring import emotions_figure
from faces.scoring.drift import STEPS, Reference, drifts, pixel_properties, reference_of, stability_index
from faces.synthetic.faces import draw_faces
from faces.synthetic.pose import EMOTION_FRAMING
from tasks.common.dataset import save_part
from tasks.evaluation.drift_reference import keep_reference
from tasks.evaluation.predictions import Evaluated, save_evaluated
from tasks.scoring.drift_check import FILE, watch_drift
from tests.tiny import CLASSES, part

BOUNDS = {"max_psi": 0.25, "max_p": 0.001}


def values(faces: int, seed: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {"brightness": generator.normal(120 + shift, 30, faces), "confidence": generator.beta(4, 2, faces)}


def named(faces: int, seed: int, sad: float = 0.3) -> list[str]:
    return np.random.default_rng(seed).choice(["anger", "sad", "surprise"], faces, p=[0.2, sad, 0.8 - sad]).tolist()


def counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in set(names)}


USUAL = reference_of(named(2000, 1), values(2000, 1))


def told(faces: int, seed: int, shift: float = 0.0, sad: float = 0.3) -> dict[str, bool]:
    found = drifts(USUAL, counted(named(faces, seed, sad)), values(faces, seed, shift), **BOUNDS)
    return {one.property: one.drifted for one in found}


def test_stability_index_by_hand() -> None:
    """0.5 ln 2 of each of two bins, and half a face more in each: 1.5 of 4 and 2.5 of 4."""
    found = stability_index(np.array([0.5, 0.5]), np.array([1, 2]))
    assert found == pytest.approx((0.375 - 0.5) * np.log(0.75) + (0.625 - 0.5) * np.log(1.25))
    assert stability_index(np.array([0.25, 0.75]), np.array([250, 750])) == pytest.approx(0, abs=1e-6)
    assert np.isfinite(stability_index(np.array([0.5, 0.5]), np.array([0, 9])))


def test_what_is_kept_of_the_judged_faces_can_be_written_and_read() -> None:
    assert Reference(**json.loads(json.dumps(USUAL._asdict()))) == USUAL
    assert {len(levels) for levels in USUAL.quantiles.values()} == {STEPS + 1}
    assert all(levels == sorted(levels) for levels in USUAL.quantiles.values())
    assert sum(USUAL.emotions.values()) == 2000


@pytest.mark.parametrize("faces", [1, 7, 60, 1000, 20_000])
def test_more_of_the_same_has_not_drifted(faces: int) -> None:
    for seed in range(2, 22):
        assert not any(told(faces, seed).values()), seed


def test_what_changed_has_drifted_and_nothing_else() -> None:
    assert told(400, 3, shift=40) == {"emotion": False, "brightness": True, "confidence": False}
    assert told(400, 3, sad=0.75) == {"emotion": True, "brightness": False, "confidence": False}


def test_a_small_difference_of_many_faces_and_a_great_one_of_a_few_are_no_drift() -> None:
    many = drifts(USUAL, counted(named(50_000, 4)), values(50_000, 4, shift=3), **BOUNDS)
    few = drifts(USUAL, counted(named(3, 5)), values(3, 5, shift=40), **BOUNDS)
    assert many[1].p < BOUNDS["max_p"]
    assert few[1].psi > BOUNDS["max_psi"]
    assert not any(one.drifted for one in (*many, *few))


@pytest.mark.parametrize(("least", "greatest"), [(0.0, 0.4), (0.3, 0.0), (0.3, 0.4)], ids=["many 1", "many 0", "both"])
def test_faces_of_one_value_are_no_drift(least: float, greatest: float) -> None:
    """Saturated crops, and a network that is sure: values stand together at an end, or close to it."""

    def drawn(faces: int, seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        sure = 1 - generator.random(faces) ** 30
        return np.select([generator.random(faces) < least, generator.random(faces) < greatest], [0.0, 1.0], sure)

    usual = reference_of(["sad"] * 2000, {"confidence": drawn(2000, 1)})
    for faces in (1, 30, 500, 5000):
        for seed in range(2, 12):
            found = drifts(usual, {"sad": faces}, {"confidence": drawn(faces, seed)}, **BOUNDS)
            assert found[1].psi < 0.25 or faces < 100
            assert found[1].p > BOUNDS["max_p"] or faces == 5000, (faces, seed)
            assert not found[1].drifted
    other = drifts(usual, {"sad": 500}, {"confidence": drawn(500, 3) * 0.9}, **BOUNDS)
    assert other[1].drifted


def test_a_batch_has_not_drifted_from_itself() -> None:
    confidence = (1 - np.random.default_rng(1).random(600) ** 40).astype(np.float32)
    usual = reference_of(["sad"] * 600, {"confidence": confidence})
    found = drifts(usual, {"sad": 600}, {"confidence": confidence}, **BOUNDS)[1]
    assert found.psi == pytest.approx(0, abs=1e-3)
    assert found.p > 0.9


def test_a_face_of_a_rare_emotion_is_no_drift() -> None:
    usual = Reference({"happiness": 600, "sad": 381, "disgust": 19}, {})
    assert drifts(usual, {"disgust": 1}, {}, **BOUNDS)[0].p == pytest.approx(0.019, abs=0.005)
    assert drifts(usual, {"disgust": 6}, {}, **BOUNDS)[0].drifted
    shares = np.array([600, 381, 19]) / 1000
    for faces in (1, 2, 3, 10, 40):
        drawn = np.random.default_rng(faces).multinomial(faces, shares, 300)
        rows = [dict(zip(usual.emotions, map(int, row), strict=True)) for row in drawn]
        assert sum(drifts(usual, row, {}, **BOUNDS)[0].drifted for row in rows) <= 2, faces


@pytest.mark.parametrize("shift", [0, 4, 9])
def test_p_is_that_of_both_samples(shift: float) -> None:
    """What interpolation between quantiles costs."""
    ours = drifts(USUAL, {"sad": 1}, values(500, 6, shift), **BOUNDS)[1].p
    theirs = stats.ks_2samp(values(2000, 1)["brightness"], values(500, 6, shift)["brightness"]).pvalue
    assert np.log10(ours) == pytest.approx(np.log10(theirs), abs=0.15 + 0.15 * abs(np.log10(theirs)))


def test_an_emotion_that_was_never_named_and_one_that_always_is() -> None:
    usual = Reference({"sad": 100}, {})
    assert drifts(usual, {"anger": 100}, {}, **BOUNDS)[0].drifted
    assert drifts(usual, {"sad": 5}, {}, **BOUNDS)[0][1:] == ("sad 100%", "sad 100%", 0.0, 1.0, False)


def test_an_emotion_that_is_not_named_any_more_is_drawn() -> None:
    labels = emotions_figure({"sad": 5}, {"sad": 10, "happiness": 90}).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["happiness", "sad"]


def test_properties_are_those_of_each_face_alone() -> None:
    images = draw_faces(np.random.default_rng(1), np.arange(5), 48, EMOTION_FRAMING)[0]
    darker = pixel_properties((images // 2).astype(np.uint8))
    for name, found in pixel_properties(images).items():
        assert found.shape == (5,)
        assert (darker[name] < found).all(), name
        np.testing.assert_allclose(pixel_properties(images[3:4])[name], found[3:4])


def test_the_reference_is_of_test_faces_and_what_was_said_of_them(tmp_path: Path) -> None:
    test = part("emotion", 40)
    save_part(tmp_path / "prepared/test.npz", test)
    said = np.random.default_rng(2).dirichlet(np.ones(CLASSES), 40)
    save_evaluated(tmp_path / "said.npz", Evaluated(said, said, np.array(False), np.array(1.0), test.rows))
    path = keep_reference(tmp_path / "prepared", tmp_path / "said.npz", tmp_path / "reference.json")
    found = Reference(**json.loads(path.read_text()))
    assert found.quantiles.keys() == {"brightness", "contrast", "sharpness", "confidence"}
    assert found.quantiles["confidence"][-1] == pytest.approx(said.max(), abs=1e-4)
    assert found.emotions == counted(test.classes[said.argmax(axis=1)].tolist())


def scored(folder: Path, faces: int, **changes: Any) -> Path:
    folder.mkdir()
    table = pd.DataFrame({"emotion": named(faces, 7), **values(faces, 7, **changes)})
    table.to_parquet(folder / "predictions.parquet")
    return folder


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list:
    found: list = []
    monkeypatch.setattr(tasks.scoring.drift_check, "emit", lambda *event: found.append(event))
    return found


def test_a_batch_that_drifted_is_told_of_and_makes_an_event(
    tmp_path: Path, events: list, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = params.Drift(**BOUNDS)
    same, other = scored(tmp_path / "same", 300), scored(tmp_path / "other", 300, shift=50)
    watch_drift(same, USUAL, settings, "v1")
    assert json.loads((same / FILE).read_text())["drifted"] == []
    assert events == []
    watch_drift(other, USUAL, settings, "v1")
    content = json.loads((other / FILE).read_text())
    assert content["drifted"] == ["brightness"]
    assert content["properties"][1]["usual"] == f"{USUAL.quantiles['brightness'][STEPS // 2]:.3g}"
    assert events == [
        ("faces.drift", {"folder": str(other), "networks": "v1", "faces": 300, "drifted": ["brightness"]})
    ]
    assert "DRIFTED" in capsys.readouterr().out


def test_nothing_is_compared_where_there_is_nothing_to_compare(tmp_path: Path, events: list) -> None:
    watch_drift(scored(tmp_path / "older", 9), None, params.Drift(**BOUNDS), "v1")
    watch_drift(scored(tmp_path / "empty", 0), USUAL, params.Drift(**BOUNDS), "v1")
    assert not list(tmp_path.rglob(FILE))
    assert events == []
