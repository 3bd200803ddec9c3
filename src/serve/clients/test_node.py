"""OpenAI's client for node: whole, streamed, errors, retries, an abort. Its package lies in $NODE_PATH (make test-clients)."""

import json
import os
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).parent
PACKAGES = os.environ.get("NODE_PATH", HERE.parents[2] / "target/clients/node/node_modules")


def test_openais_client_for_node_streams_is_refused_comes_again_and_aborts(service):
    command = ["node", HERE / "openai.cjs", service.http]
    environment = {**os.environ, "NODE_PATH": str(PACKAGES)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=120).stdout
    seen = json.loads(said)
    assert seen["bytes"] == seen["streamed"] > 48000 and seen["pieces"] > 5
    error = seen["error"]
    assert (error["name"], error["status"], error["code"]) == ("BadRequestError", 400, "unknown_voice")
    assert error["param"] == "voice" and error["request"]
    assert seen["models"] == ["wren"]
    busy = seen["busy"]
    assert (busy["name"], busy["status"]) == ("RateLimitError", 429) and busy["after_ms"] >= 900
    deadline = time.monotonic() + 5
    while service.metrics()[("syrinx_requests_running",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    counts = service.metrics()
    assert counts[("syrinx_cancelled_total", "disconnect")] == 1
    assert counts[("syrinx_requests_total", "429", "speech")] == 2
