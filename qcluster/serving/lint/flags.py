"""Rules about the command line as the real parser reads it."""

from __future__ import annotations

from collections.abc import Iterator

from qcluster.schema import did_you_mean
from qcluster.serving import catalogue, versions
from qcluster.serving.connector import connectors
from qcluster.serving.lint.rule import ERROR, WARNING, Fault, Seat, Subject, rule

MULTI = "MultiConnector"
NEWEST = "0.27.1"
"""The vLLM of vllm-ascend's main, whose flags were read."""


def known_flags(release: str) -> frozenset[str]:
    """The flags of the vLLM in a release."""
    moving = versions.key(release) == versions.MAIN
    return catalogue.flags(NEWEST if moving else str(catalogue.release_entry(release)["vllm"]))


@rule("QC601", ERROR, "vLLM has the flag", "the real parsers (make judge)", "max-num-sequences: 4")
def unknown_flag(subject: Subject) -> Iterator[Fault]:
    known = known_flags(subject.plan.release)
    for seat in subject.firsts:
        for name in _names(seat):
            if name not in known and not _begins(name, known):
                what = f"--{name} is not a flag of vLLM in {subject.plan.release}"
                yield Fault(what, did_you_mean(name, known), seat.placement, _variable(seat))


@rule("QC602", ERROR, "flags are written whole", "the real parsers (make judge)", "max-num-seq: 4")
def abbreviated(subject: Subject) -> Iterator[Fault]:
    known = known_flags(subject.plan.release)
    for seat in subject.firsts:
        for name in _names(seat):
            if name not in known and (whole := _begins(name, known)):
                what = f"--{name} is a beginning of --{', --'.join(whole)}"
                yield Fault(what, "write the whole flag", seat.placement, _variable(seat))


def _names(seat: Seat) -> list[str]:
    """The flags of a process; of `attention-config.indexer_kv_dtype`, a key of a JSON flag, the flag."""
    return list(dict.fromkeys(name.partition(".")[0] for name in seat.flags))


def _begins(name: str, known: frozenset[str]) -> list[str]:
    return sorted(flag for flag in known if flag.startswith(name))


OBJECTS = ("kv-transfer-config", "speculative-config", "additional-config")


@rule("QC603", ERROR, "JSON flags hold JSON", "vllm/engine/arg_utils.py", 'additional-config: "{a: "')
def broken_json(subject: Subject) -> Iterator[Fault]:
    for seat in subject.firsts:
        for name, value in seat.flags.items():
            if (name in OBJECTS and not isinstance(value, dict)) or (isinstance(value, str) and value.startswith("{")):
                what = f"--{name} is {value!r}, which is no JSON object"
                yield Fault(what, "write it as a mapping; the plan makes JSON of it", seat.placement, "vllm_args")


@rule("QC605", WARNING, "the connector exists", "kv_transfer/__init__.py", "connector: Mooncake")
def unknown_connector(subject: Subject) -> Iterator[Fault]:
    known = catalogue.base()["connectors"]
    for seat in subject.firsts:
        for one in connectors(seat.config("kv-transfer-config")):
            name = str(one.get("kv_connector", ""))
            if name not in known and "kv_connector_module_path" not in one:
                hint = did_you_mean(name, known) or "kv_connector_module_path says where one of your own is"
                what = f"neither vLLM nor vllm-ascend has a connector {name!r}"
                yield Fault(what, hint, seat.placement, _where_connector(seat))


@rule("QC606", ERROR, "a MultiConnector joins connectors", "kv_pool.md", f"connector: {MULTI}")
def hollow_multi(subject: Subject) -> Iterator[Fault]:
    for seat in subject.connected:
        named = [one for one in connectors(seat.config("kv-transfer-config")) if one.get("kv_connector") == MULTI]
        if any(len(connectors(one)) == 1 for one in named):
            hint = "name the connector that moves KV; kv_pool puts it beside a pool into a MultiConnector"
            yield Fault(f"a {MULTI} without connectors", hint, seat.placement, _where_connector(seat))


def _where_connector(seat: Seat) -> str:
    return "vllm_args" if seat.typed("kv-transfer-config") else "connector"


@rule("QC604", WARNING, "the draft model is there", "Kimi-K2.5.md", "speculative-config: {model: …}")
def offline_draft(subject: Subject) -> Iterator[Fault]:
    """Only the model itself is fetched; engines start with HF_HUB_OFFLINE=1 and see what their container mounts."""
    mounted = {
        (host.name, inside) for host in subject.plan.hosts for box in host.containers for _, inside in box.mounts
    }
    for seat in subject.firsts:
        draft = seat.config("speculative-config").get("model")
        if not isinstance(draft, str) or draft == seat.instance.argv[2]:
            continue
        docker = seat.placement.settings.container_runtime == "docker"
        if not draft.startswith(("/", "<fact:home>/")):
            what = f"the draft model {draft} is not fetched, and engines start offline"
            yield Fault(what, 'put it into weights_dir: model: "{{ weights_dir }}/…"', seat.placement, "vllm_args")
        elif docker and not any(host == seat.instance.host and _within(draft, path) for host, path in mounted):
            what = f"the draft model {draft} is not mounted into the container"
            yield Fault(what, "put it into weights_dir", seat.placement, "vllm_args")


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _variable(seat: Seat) -> str:
    return "vllm_args" if seat.placement.settings.vllm_args else "model"
