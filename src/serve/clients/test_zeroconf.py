"""Whoever looks for Wyoming on the local network, as Home Assistant does, finds the service by its name and can talk to it."""

import socket
import threading

import pytest
from conftest import Service
from zeroconf import ServiceBrowser, ServiceStateChange, Zeroconf

KIND = "_wyoming._tcp.local."
