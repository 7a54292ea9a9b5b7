"""The simulated proxies: arguments as argparse takes them, balancing, instances added and removed, and the router."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_site import LabSite, make

from qcluster.lab.layout import LabHost
from qcluster.lab.tools import httpd
from qcluster.lab.tools.httpd import Request, Response, document
from qcluster.lab.tools.proxy import Proxy
from qcluster.lab.tools.proxy_arguments import DEFAULTS, Usage, arguments
from qcluster.lab.tools.proxy_layerwise import Layerwise
from qcluster.lab.tools.router import Router

PARAMS = {"do_remote_prefill": True, "remote_request_id": "r"}


class Backend:
    """An engine's HTTP side: counts its requests, answers with its own name."""

    def __init__(self, name: str, address: str, status: int = 200):
        self.name, self.status, self.seen = name, status, []  # type: tuple[str, int, list[dict[str, Any]]]
        self.server = httpd.listen(address, 0)
        self.port = self.server.getsockname()[1]
        threading.Thread(target=httpd.serve, args=(self.server, self), daemon=True).start()

    def __call__(self, request: Request) -> Response:
        if request.path == "/health":
            return Response(self.status)
        if request.method == "GET":
            return document({"data": []}, self.status)
        self.seen.append(request.json())
        return document({"choices": [{"text": self.name}], "kv_transfer_params": PARAMS}, self.status)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LabSite]:
    made = make(tmp_path, (LabHost("h", ""),))
    yield made
    made.close()


@pytest.fixture
def backends(site: LabSite) -> Iterator[dict[str, Backend]]:
    made = {name: Backend(name, site.address("h")) for name in ("p0", "p1", "d0", "d1")}
    yield made
    for backend in made.values():
        backend.server.close()


def read(backends: dict[str, Backend], address: str) -> dict[str, list[str]]:
    given = {name: list(values) for name, values in DEFAULTS.items()}
    for role, letter in (("prefiller", "p"), ("decoder", "d")):
        ports = [str(backends[f"{letter}{n}"].port) for n in (0, 1)]
        given |= {f"{role}-hosts": [address] * 2, f"{role}-ports": ports}
    return given | {"waiting-retry-interval": ["0.01"]}


def post(proxy: Proxy, path: str, **body: Any) -> tuple[int, bytes]:
    response = proxy(Request("POST", path, {}, json.dumps(body).encode()))
    return response.status, b"".join(response.stream) if response.stream is not None else response.body


def test_prefill_gets_one_token_and_decode_its_parameters(site: LabSite, backends: dict[str, Backend]) -> None:
    proxy = Proxy(read(backends, site.address("h")))
    status, body = post(proxy, "/v1/completions", prompt="x", max_tokens=9, stream=True)
    assert (status, json.loads(body)["choices"][0]["text"]) == (200, "d0")
    (first,), (second,) = backends["p0"].seen, backends["d0"].seen
    assert (first["max_tokens"], first["stream"]) == (1, False)
    assert first["kv_transfer_params"]["do_remote_decode"] is True
    assert (second["max_tokens"], second["kv_transfer_params"]) == (9, PARAMS)


def test_sequential_requests_all_go_to_the_first(site: LabSite, backends: dict[str, Backend]) -> None:
    proxy = Proxy(read(backends, site.address("h")))
    for _ in range(3):
        post(proxy, "/v1/completions", prompt="x")
    assert [len(backends[name].seen) for name in ("p0", "p1", "d0", "d1")] == [3, 0, 3, 0]


def test_a_dead_decode_node_is_an_empty_200_and_a_dead_prefill_node_500(
    site: LabSite, backends: dict[str, Backend]
) -> None:
    proxy = Proxy(read(backends, site.address("h")))
    backends["d0"].status = 500
    assert post(proxy, "/v1/completions", prompt="x") == (200, b"")
    assert len(backends["d0"].seen) == 3
    backends["p0"].status = 500
    assert post(proxy, "/v1/completions", prompt="x")[0] == 500
    assert json.loads(proxy(Request("GET", "/healthcheck", {}, b"")).body)["status"] == "ok"


def joined() -> None:
    for thread in threading.enumerate():
        if thread.name.endswith(("(_add)", "(_finalize)")):
            thread.join(10)


def test_instances_are_removed_and_added(site: LabSite, backends: dict[str, Backend]) -> None:
    proxy = Proxy(read(backends, site.address("h")))
    names = [f"{site.address('h')}:{backends[name].port}" for name in ("d0", "d1")]
    told = json.loads(post(proxy, "/instances/remove", type="decode", instances=names[0])[1])
    assert told["current_decode_instances"] == names[1:]
    assert json.loads(post(proxy, "/v1/completions", prompt="x")[1])["choices"][0]["text"] == "d1"
    told = json.loads(post(proxy, "/instances/add", type="decode", instances=names)[1])
    assert told["message"] == f"Instances {names} are waiting to be added." and len(proxy.servers["decode"]) == 1
    joined()
    assert {server.key for server in proxy.servers["decode"]} == set(names), "no doubles"
    assert post(proxy, "/instances/add", type="nothing", instances=[])[0] == 400


def test_while_requests_run_who_leaves_is_only_marked_and_cannot_be_added(
    site: LabSite, backends: dict[str, Backend]
) -> None:
    proxy = Proxy(read(backends, site.address("h")))
    name = f"{site.address('h')}:{backends['d0'].port}"
    proxy._count(1)
    told = json.loads(post(proxy, "/instances/remove", type="decode", instances=[name])[1])
    assert "isolated and waiting" in told["message"] and name in told["current_decode_instances"]
    post(proxy, "/instances/add", type="decode", instances=[name])
    post(proxy, "/v1/completions", prompt="x")
    assert [len(backends[one].seen) for one in ("d0", "d1")] == [0, 1]
    proxy._count(-1)
    joined()
    assert [server.port for server in proxy.servers["decode"]] == [backends["d1"].port], "gone with the last request"


def test_the_layerwise_variant_has_no_instances(site: LabSite, backends: dict[str, Backend]) -> None:
    proxy = Layerwise(read(backends, site.address("h")))
    assert post(proxy, "/instances/remove", type="decode", instances=[])[0] == 404
    assert "request_num" not in json.loads(proxy(Request("GET", "/healthcheck", {}, b"")).body)


def test_the_router_says_what_is_wrong(site: LabSite, backends: dict[str, Backend]) -> None:
    router = Router(read(backends, site.address("h")))
    assert router(Request("GET", "/readiness", {}, b"")).status == 200
    backends["d0"].status = backends["d1"].status = 500
    status, body = post(router, "/v1/completions", prompt="x")
    assert (status, b"decode worker failed" in body) == (500, True)
    assert router(Request("GET", "/readiness", {}, b"")).status == 503


def test_arguments_with_beginnings() -> None:
    found = arguments(
        [
            "--port=1999",
            "--prefiller-host",
            "a",
            "b",
            "--prefiller-port",
            "1",
            "2",
            "--decoder-h",
            "c",
            "--decoder-p",
            "3",
        ]
    )
    assert (found["port"], found["prefiller-hosts"], found["decoder-ports"]) == (["1999"], ["a", "b"], ["3"])


@pytest.mark.parametrize(
    ("words", "error", "why"),
    [
        ("--prefiller 1", Usage, "ambiguous option"),
        ("--nothing 1", Usage, "unrecognized arguments"),
        ("--port 1 2", Usage, "expected one argument"),
        ("--decoder-hosts a b --decoder-ports 1", ValueError, "must match"),
    ],
)
def test_arguments_that_are_refused(words: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        arguments(words.split())
