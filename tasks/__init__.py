"""Tasks: path in, path out; the only code that reads and writes."""

import sys

# OpenVINO reports usage by this package; where it is absent, it reports nothing.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
