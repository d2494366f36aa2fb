"""Stage `evaluate@HEAD`: honest figures and pictures, on test faces only."""

from pathlib import Path

import params
from tasks.evaluate import draw_emotion, draw_keypoints, judge_emotion, judge_keypoints, predict_test
from tasks.orchestration import flow


@flow
def evaluate(head: params.Head) -> None:
    """Judge a head's network on its test part."""
    settings = params.load().evaluate
    model, prepared = Path(f"models/trained/{head}.keras"), Path(f"data/prepared/{head}")
    folder, metrics = Path(f"reports/evaluate/{head}"), Path(f"reports/metrics/{head}.json")
    predictions = predict_test(head, model, prepared, Path(f"data/evaluated/{head}.npz"))
    if head == "keypoints":
        judge_keypoints(prepared, predictions, model, metrics)
        draw_keypoints(prepared, predictions, settings.keypoints, folder)
    else:
        judge_emotion(prepared, predictions, model, settings.emotion, metrics)
        draw_emotion(prepared, predictions, settings.emotion, folder, folder / "confusion.csv")


if __name__ == "__main__":
    from flows.stage import main

    main(evaluate)
