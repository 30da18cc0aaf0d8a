"""The only door to OpenVINO. Everybody takes `openvino` and `openvino_genai` from here, never by themselves.

Importing `openvino` tells its maker so over the network, by way of the package `openvino_telemetry`, unless that cannot
be imported: then a stub that does nothing takes its place. So it is barred before the first import.
"""

import sys

if "openvino" not in sys.modules:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # type: ignore[import-untyped]
import openvino_genai  # type: ignore[import-untyped]

__all__ = ["openvino", "openvino_genai"]
