"""Who looks for Wyoming on the local network, as Home Assistant does, finds the service by its name, where it is spoken, until it ends."""

import queue

from conftest import running
from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

KIND = "_wyoming._tcp.local."


def test_it_is_found_by_its_name_until_it_ends():
    changes = queue.Queue()
    network = Zeroconf()
    ServiceBrowser(network, KIND, [lambda name, state_change, **_: changes.put((name, state_change))])
    with running("--wyoming-open", "--zeroconf", "Kitchen", at="tcp://0.0.0.0:0") as service:
        name, change = changes.get(timeout=30)
        assert (name, change) == (f"Kitchen.{KIND}", ServiceStateChange.Added)
        info = network.get_service_info(KIND, name, 10_000)
        assert info.port == service.wyoming[1] and info.parsed_addresses()
    while change is not ServiceStateChange.Removed:
        _, change = changes.get(timeout=30)
    network.close()
