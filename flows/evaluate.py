"""Stage `evaluate@HEAD`: honest figures and pictures, on test faces only."""

from pathlib import Path

import params
from tasks.evaluation.drift_reference import keep_reference
from tasks.evaluation.metrics import judge_emotion, judge_keypoints
from tasks.evaluation.predict import predict_test
from tasks.evaluation.robustness import draw_robustness, measure_robustness
from tasks.evaluation.slices import judge_slices
from tasks.orchestration.api import flow
from tasks.plots.evaluation import draw_emotion, draw_keypoints


@flow
def evaluate(head: params.Head) -> None:
    """Judge a head's network on its test part."""
    every = params.load()
    settings, duplicates = getattr(every.evaluate, head), getattr(every.prepare, head).duplicates
    model, prepared = Path(f"models/trained/{head}.keras"), Path(f"data/prepared/{head}")
    folder, metrics = Path(f"reports/evaluate/{head}"), Path(f"reports/metrics/{head}.json")
    predictions = predict_test(head, model, prepared, settings, Path(f"data/evaluated/{head}.npz"))
    if head == "keypoints":
        judge_keypoints(prepared, predictions, model, duplicates, metrics, folder)
        draw_keypoints(prepared, predictions, settings, folder)
    else:
        judge_emotion(prepared, predictions, model, settings, duplicates, metrics, folder)
        draw_emotion(prepared, predictions, settings, folder)
        keep_reference(prepared, predictions, folder / "reference.json")
    judge_slices(head, prepared, predictions, folder)
    draw_robustness(head, prepared, measure_robustness(head, prepared, predictions, model, settings, folder), folder)


if __name__ == "__main__":
    from flows.stage import main

    main(evaluate)
