"""Plugin of pytest: which routes of an ASGI application each passed test really reached.

Loaded by `-p gates_recorder` with its folder on PYTHONPATH; writes hits-<process>.ndjson into $GATE_OUT. A route is named by the template that
the application's own router matched, so that a path that only looks alike is none. routes-<process>.ndjson says where each route is written.
"""

import json
import os
from pathlib import Path

import pytest

_hits = []
_places = {}


def _note_places(application):
    """Where the handlers of an application stand: file and line of their first decorator."""
    for route in application.routes:
        code = getattr(getattr(route, "endpoint", None), "__code__", None)
        if code is None:
            continue
        for method in getattr(route, "methods", None) or ():
            _places[(method, route.path)] = (code.co_filename, code.co_firstlineno)


def _wrap(application):
    plain = application.__call__

    async def recorded(self, scope, receive, send):
        if scope.get("type") != "http":
            return await plain(self, scope, receive, send)
        status = 500

        async def watched(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            return await plain(self, scope, receive, watched)
        finally:
            if not _places:
                _note_places(self)
            route = getattr(scope.get("route"), "path", None)
            if route:
                _hits.append({"method": scope["method"], "route": route, "status": status})

    application.__call__ = recorded


def pytest_configure(config):
    if not os.environ.get("GATE_OUT"):
        raise pytest.UsageError("gates_recorder: GATE_OUT is not set; the plugin belongs to a gate")
    from starlette.applications import Starlette

    _wrap(Starlette)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item, nextitem):
    _hits.clear()
    yield


def pytest_runtest_logreport(report):
    if report.when != "call" or not report.passed:
        return
    out = Path(os.environ["GATE_OUT"])
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"hits-{os.getpid()}.ndjson").open("a", encoding="utf-8") as file:
        for hit in _hits:
            file.write(json.dumps({"case": report.nodeid, **hit}) + "\n")


def pytest_sessionfinish():
    if not _places:
        return
    out = Path(os.environ["GATE_OUT"])
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"routes-{os.getpid()}.ndjson").open("w", encoding="utf-8") as file:
        for (method, route), (name, line) in sorted(_places.items()):
            file.write(json.dumps({"method": method, "route": route, "file": name, "line": line}) + "\n")
