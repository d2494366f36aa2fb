"""Stage `export@MODEL`: the trained model as the files that are evaluated and scored."""

from pathlib import Path

import params
from tasks.models.export import export_model


def export(settings: params.Params, model_name: params.ModelName) -> None:
    """Export a trained model to ONNX, in float32 and int8."""
    model_path, prepared = Path(f"models/trained/{model_name}.keras"), Path(f"data/prepared/{model_name}")
    samples = getattr(settings.recipe.export, model_name).calibration_samples
    export_model(model_path, prepared, samples, Path(f"reports/export/{model_name}.json"))
