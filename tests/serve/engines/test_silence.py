"""Nothing of the engine talks to the network."""

import subprocess
import sys

import pytest

# Runs in a process of its own: every attempt to find a host or to connect is written down. Telemetry is sent from other
# threads and processes, so that what would send it must not be there at all.
_WATCHED = """
import sys

seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event in {"socket.connect", "socket.getaddrinfo"} else None)

import MODULE
import openvino

assert sys.modules.get("openvino_telemetry") is None, "the telemetry package was imported"
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules)
assert type(openvino.tools.ovc.telemetry).__module__ == "openvino.tools.ovc.telemetry_stub"
assert seen == [], seen
print("silent")
"""


@pytest.mark.parametrize("module", ["garra.serve.engines.openvino_worker", "garra.serve.weights.convert"])
def test_importing_the_engine_reports_nothing(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED.replace("MODULE", module)], capture_output=True, text=True, check=False
    )

    assert done.stdout == "silent\n", done.stderr


def test_the_server_itself_does_not_import_the_engine() -> None:
    script = "import sys, garra.serve.engines.openvino, garra.serve.weights.resolve; print('openvino' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.stdout == "False\n", done.stderr
