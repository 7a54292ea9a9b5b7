"""Simulation of `vllm serve` on Ascend NPUs: real process, ports and log; the model is made up (engine/text.py)."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType

from qcluster.lab.tools import here, httpd
from qcluster.lab.tools.engine import console
from qcluster.lab.tools.engine.api import ROUTES, Api
from qcluster.lab.tools.engine.flags import Usage, parse
from qcluster.lab.tools.engine.options import Options, read_model, read_version
from qcluster.lab.tools.engine.startup import Engine, Failed

DEATH_SECONDS = 4.8
"""How long a real API server lives on after its engine core is gone."""


class Stop(BaseException):
    """SIGTERM or SIGINT came."""


def main(argv: list[str]) -> None:
    if argv[1:2] != ["serve"]:
        _other(argv)
    signal.signal(signal.SIGTERM, _raise_stop)
    signal.signal(signal.SIGINT, _raise_stop)
    try:
        options = _options(argv[2:])
    except Usage as usage:
        here.complain(f"usage: vllm serve [model_tag] [options] ({here.SIMULATION})\nvllm serve: error: {usage}")
        sys.exit(2)
    sys.exit(_run(options))


def _other(argv: list[str]) -> None:
    if argv[1:] in (["--version"], ["-v"]):
        version = ".".join(str(part) for part in read_version(os.environ.get("QCLUSTER_LAB_IMAGE", "")))
        here.say(f"{version} ({here.SIMULATION})")
        sys.exit(0)
    if argv[1:2] == ["bench"]:
        sys.exit(_bench(argv[2:]))
    here.complain(f"vllm ({here.SIMULATION}): only `vllm serve MODEL`, `vllm bench` and `vllm --version` are simulated")
    sys.exit(2)


def _bench(words: list[str]) -> int:
    """`vllm bench serve|latency|throughput`."""
    if words[:1] == ["serve"]:
        from qcluster.lab.tools.bench import serve

        return serve.main(words[1:])
    if words[:1] in (["latency"], ["throughput"]):
        from qcluster.lab.tools.bench import offline

        return offline.main(words[0], words[1:])
    here.complain("usage: vllm bench {serve,latency,throughput} [options]")
    return 2


def _options(words: list[str]) -> Options:
    flags = parse(words)
    if "model" not in flags:
        raise Usage("the following arguments are required: model_tag")
    environ = dict(os.environ)
    return Options(flags, read_model(flags["model"]), read_version(environ.get("QCLUSTER_LAB_IMAGE", "")), environ)


def _raise_stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def _run(options: Options) -> int:
    engine = Engine(options)
    console.info(f"This is a simulation: {here.SIMULATION}. No NPU, no model.", "__init__.py:1")
    console.info("Platform plugin ascend is activated", "__init__.py:52")
    try:
        engine.start()
        _serve(engine)
    except Failed as failed:
        console.traceback(failed.text, failed.who)
        if failed.who != "APIServer":
            console.traceback("RuntimeError: Engine core initialization failed. See root cause above.")
        return failed.code
    except Stop:
        console.info("[shutdown] API server: shutdown triggered", "launcher.py:110")
        console.info("[shutdown] Sending SIGTERM to EngineCore", "core_client.py:590")
        return 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        engine.workers.stop()
    return 0


def _serve(engine: Engine) -> None:
    """Serve until SIGTERM, or until the engine core is gone."""
    options = engine.options
    if options.headless:
        engine.workers.watch(_say_dead)
        engine.workers.dead.wait()
        return
    api = Api(engine, [*options.flags.get("api-key", []), *filter(None, [os.environ.get("VLLM_API_KEY")])])
    try:
        server = httpd.listen(options.host, options.port)
    except OSError as error:
        raise Failed(
            f"OSError: [Errno 98] error while attempting to bind on address ('{options.host}', {options.port}): "
            "address already in use"
        ) from error
    threading.Thread(target=httpd.serve, args=(server, api), daemon=True).start()
    _announce(options)
    engine.workers.watch(_say_dead)
    engine.workers.dead.wait()
    time.sleep(min(DEATH_SECONDS, here.pace() * 2))


def _announce(options: Options) -> None:
    said = options.flags.get("host", "0.0.0.0")
    console.info(f"Starting vLLM server on http://{said}:{options.port}", "api_server.py:1912")
    for route in ROUTES:
        method = "POST" if "completions" in route or route == "/tokenize" else "GET"
        console.info(f"Route: {route}, Methods: {method}", "launcher.py:46")
    console.raw(f"INFO:     Started server process [{os.getpid()}]")
    console.raw("INFO:     Waiting for application startup.")
    console.raw("INFO:     Application startup complete.")


def _say_dead(title: str) -> None:
    console.error(f"{title.removeprefix('VLLM::')} died unexpectedly")
    console.error("Engine core proc EngineCore_DP0 died unexpectedly, shutting down client.")
