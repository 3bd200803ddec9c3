"""A browser on the service's page: it speaks, lights up the words as they are heard, is interrupted, and says nothing in the console."""

import json
import re
import shutil
import subprocess
import tempfile
import time

import pytest
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Page:
    """A page in a headless browser, by the protocol of its developer tools."""

    def __init__(self, process, folder):
        self.process = process
        address = next(found[0] for line in process.stderr if (found := re.search(r"ws://\S+", line)))
        self.socket = connect(address, max_size=None)
        self.count, self.errors, self.session = 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv(timeout=30))
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]
            if answer["method"] == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"])
            if answer["method"] == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.errors.append(answer["params"]["entry"])

    def value(self, expression):
        """What an expression gives, evaluated as if somebody had pressed a key."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True)
        return result["result"].get("value")

    def until(self, expression):
        deadline = time.monotonic() + 30
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, (expression, self.value("document.body.innerText"), self.errors)
            time.sleep(0.02)
        return value


@pytest.fixture
def page():
    if not CHROMIUM:
        pytest.fail("no chromium: apt install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        process = subprocess.Popen([*command, f"--user-data-dir={folder}"], stderr=subprocess.PIPE, text=True)
        yield Page(process, folder)
        process.terminate()
        process.wait(30)


def test_a_browser_speaks_is_interrupted_and_has_nothing_to_complain_of(service, page):
    page.call("Page.navigate", url=service.http)
    page.until("document.querySelectorAll('#voice option').length === 4")
    page.value("document.querySelector('#speak').click()")
    page.until("/^first sound after/.test(document.querySelector('#status').textContent)")
    seen = {page.until("document.querySelector('#said mark')?.textContent") for _ in range(20)}
    assert seen <= set("Turn left in 300 m. Then keep right at the café.".split()) and seen
    page.until("document.querySelector('#status').textContent === 'done'")
    page.value("document.querySelector('#text').value = 'This goes on for quite some time. '.repeat(100)")
    page.value("document.querySelector('#speak').click()")
    page.until("/^first sound after/.test(document.querySelector('#status').textContent)")
    page.value("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))")
    assert page.value("document.querySelector('#status').textContent") == "stopped"
    deadline = time.monotonic() + 30
    while service.metrics()[("syrinx_requests_running",)] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert service.metrics()[("syrinx_cancelled_total", "disconnect")] == 1
    assert page.errors == []
