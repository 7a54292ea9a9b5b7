"""Runs inside the judge's environment: what the real vLLM says of command lines.

stdin: `[{"name", "stage": "parser" | "config" | "bench", "argv"}]`; argv begins with the model, or with the kind of
bench. stdout: JSON with `verdicts` (`{"name", "verdict", "message"}` in the same order) and `flags`; vLLM's own
output goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import sys
from typing import Any

PARSERS = (
    "vllm.entrypoints.openai.cli_args",
    "vllm.entrypoints.launchers.api_server.cli_args",
    "vllm.entrypoints.launchers.cli_args",
)
"""Where the parser of `vllm serve` has lived, oldest first."""


def modules() -> tuple[Any, Any]:
    """The class of the parser, and the module that fills it."""
    try:
        parser_class = importlib.import_module("vllm.utils.argparse_utils").FlexibleArgumentParser
    except ImportError:
        parser_class = importlib.import_module("vllm.utils").FlexibleArgumentParser
    for name in PARSERS:
        with contextlib.suppress(ImportError):
            return parser_class, importlib.import_module(name)
    raise SystemExit("no parser of `vllm serve` in this version")


def judge(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """The verdict on every case, and the flags that the parser knows."""
    parser_class, cli = modules()
    parser = cli.make_arg_parser(parser_class(prog="vllm serve"))
    known = options(parser)
    verdicts = []
    for case in cases:
        if case["stage"] == "bench":
            verdict, message = measured(parser_class, case["argv"])
            verdicts.append({"name": case["name"], "verdict": verdict, "message": message})
            continue
        verdict, message = parsed(parser, cli, case["argv"])
        short = [word for word in flags(case["argv"]) if word not in known]
        if verdict == "accept" and short:
            verdict, message = "abbreviated", ", ".join(short)
        if verdict == "accept" and case["stage"] == "config":
            verdict, message = configured(parser, case["argv"])
        verdicts.append({"name": case["name"], "verdict": verdict, "message": message})
    return {"verdicts": verdicts, "flags": sorted(name[2:] for name in known if name.startswith("--"))}


def options(parser: Any) -> set[str]:
    return {option for action in parser._actions for option in action.option_strings}


def measured(parser_class: Any, argv: list[str]) -> tuple[str, str]:
    """The verdict of the parser of `vllm bench`; argv begins with the kind."""
    parser = parser_class(prog=f"vllm bench {argv[0]}")
    importlib.import_module(f"vllm.benchmarks.{argv[0]}").add_cli_args(parser)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parser.parse_args(argv[1:])
    except SystemExit:
        return "refuse", " ".join(said.getvalue().split("error:")[-1].split()) or "exit"
    short = [word for word in flags(argv) if word not in options(parser)]
    return ("abbreviated", ", ".join(short)) if short else ("accept", "")


def flags(argv: list[str]) -> list[str]:
    """The flags as the parser knows them; of `--attention-config.use_x`, a key of a JSON flag, the flag."""
    named = (word.partition("=")[0].partition(".")[0] for word in argv if word.startswith("--"))
    return [name.replace("_", "-") for name in named]


def parsed(parser: Any, cli: Any, argv: list[str]) -> tuple[str, str]:
    """The parser's verdict."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            cli.validate_parsed_serve_args(parser.parse_args(argv))
    except SystemExit:
        return "refuse", " ".join(said.getvalue().split("error:")[-1].split()) or "exit"
    except Exception as error:
        return "refuse", f"{type(error).__name__}: {error}"
    return "accept", ""


def configured(parser: Any, argv: list[str]) -> tuple[str, str]:
    """The verdict of vLLM's configuration code: no weights, no engine."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    try:
        with contextlib.redirect_stdout(sys.stderr):
            arguments = parser.parse_args(argv)
            arguments.model = getattr(arguments, "model_tag", None) or arguments.model
            AsyncEngineArgs.from_cli_args(arguments).create_engine_config()
    except BaseException as error:
        return "refuse", f"{type(error).__name__}: {error}"
    return "accept", ""


def ascend() -> None:
    """Register what vllm-ascend would: its quantization, and its connectors as names the configuration knows."""
    with contextlib.suppress(Exception):
        quantization = importlib.import_module("vllm.model_executor.layers.quantization")
        base = importlib.import_module("vllm.model_executor.layers.quantization.base_config").QuantizationConfig

        class Ascend(base):  # type: ignore[misc, valid-type]
            """Accepted, and nothing else."""

            get_name = classmethod(lambda cls: "ascend")
            get_supported_act_dtypes = classmethod(lambda cls: [importlib.import_module("torch").bfloat16])
            get_min_capability = classmethod(lambda cls: -1)
            get_config_filenames = staticmethod(list)
            from_config = classmethod(lambda cls, config: cls())
            get_quant_method = lambda self, layer, prefix: None  # noqa: E731

        quantization.register_quantization_config("ascend")(Ascend)
        platform = importlib.import_module("vllm.platforms").current_platform
        type(platform).supported_quantization = [*platform.supported_quantization, "ascend"]
    with contextlib.suppress(Exception):
        module = importlib.import_module("vllm.distributed.kv_transfer.kv_connector.factory")
        for name in ("MooncakeConnectorV1", "MooncakeHybridConnector", "MooncakeLayerwiseConnector"):
            if name not in module.KVConnectorFactory._registry:
                nixl = module.KVConnectorFactory._registry["NixlConnector"]
                module.KVConnectorFactory._registry[name] = nixl


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asked = json.load(sys.stdin)
    real, sys.stdout = sys.stdout, sys.stderr
    ascend()
    json.dump(judge(asked), real)
