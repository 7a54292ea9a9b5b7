"""systemd units: one an instance and one for the proxy, to be copied to the hosts they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qcluster.export.wrapper import SHELL, inherits, script
from qcluster.serving.plan import Container, HostPlan, Instance, Plan

DOCKER = "/usr/bin/docker"
KEYS = "/etc/qcluster/keys.env"


def units(plan: Plan) -> dict[str, str]:
    """File name (`HOST/NAME.service`) → text."""
    hosts = {host.name: host for host in plan.hosts}
    found = {f"{one.host}/{_name(plan, one.name)}": _instance(plan, hosts[one.host], one) for one in plan.instances}
    if plan.proxy:
        command = _container(plan.proxy.container, plan.proxy.image, (), (), "", {}, plan.proxy.argv)
        unit = _unit(f"proxy of {plan.deployment}", command, container=plan.proxy.container)
        found[f"{plan.proxy.host}/{_name(plan, 'proxy')}"] = unit
    return found


def _name(plan: Plan, name: str) -> str:
    return f"qcluster-{plan.deployment}-{name}.service"


def _instance(plan: Plan, host: HostPlan, one: Instance) -> str:
    box = next(container for container in host.containers if container.name == one.container)
    words = [SHELL, "-c", script(one.env), "engine", *one.argv]
    plain = {name: value for name, value in one.env.items() if not inherits(name, value)}
    if plan.runtime == "host":
        return _unit(f"{one.name} of {plan.deployment}", words, plain)
    name = f"{box.name}-{one.name}"
    command = _container(name, one.image, _devices(box, one), box.mounts, box.shm_size, plain, words)
    return _unit(f"{one.name} of {plan.deployment}", command, container=name)


def _devices(box: Container, one: Instance) -> list[str]:
    """The device files of the instance's own NPUs, and those that every container needs."""
    own = {f"/dev/davinci{device}" for device in one.devices}
    every = {f"/dev/davinci{device}" for device in box.devices}
    return [path for path in box.device_paths if path in own or path not in every]


def _container(
    name: str,
    image: str,
    devices: Sequence[str],
    mounts: Sequence[tuple[str, str]],
    shm_size: str,
    env: Mapping[str, str],
    argv: Sequence[str],
) -> list[str]:
    words = [DOCKER, "run", "--rm", "--name", name, "--net=host"]
    words += [f"--shm-size={shm_size}"] if shm_size else []
    words += [f"--device={path}" for path in devices]
    words += [f"--volume={source}:{target}" for source, target in mounts]
    # The container maps only its own NPUs, so they are counted from 0 inside.
    renumbered = {
        **env,
        **({"ASCEND_RT_VISIBLE_DEVICES": _indices(devices)} if "ASCEND_RT_VISIBLE_DEVICES" in env else {}),
    }
    words += [f"--env={key}={value}" for key, value in renumbered.items()]
    words += ["--env=VLLM_API_KEY", "--env=OPENAI_API_KEY"]  # from the docker client's own environment, if it has them
    return [*words, image, *argv]


def _indices(devices: Sequence[str]) -> str:
    count = sum(path.removeprefix("/dev/davinci").isdigit() for path in devices)
    return ",".join(map(str, range(count)))


def _unit(description: str, command: Sequence[str], env: Mapping[str, str] | None = None, container: str = "") -> str:
    # Killing the docker client would leave the container; one that was left keeps the name.
    clear = [f"ExecStartPre=-{DOCKER} rm -f {container}"] if container else []
    stop = [f"ExecStop={DOCKER} stop --time 60 {container}"] if container else []
    lines = [
        "[Unit]",
        f"Description=qcluster {description}",
        "After=network-online.target docker.service",
        "Wants=network-online.target",
        "",
        "[Service]",
        # Secrets are not exported: this file may hold VLLM_API_KEY, and OPENAI_API_KEY for the proxy.
        f"EnvironmentFile=-{KEYS}",
        *(f"Environment={quoted(f'{key}={value}').replace('$$', '$')}" for key, value in (env or {}).items()),
        *clear,
        f"ExecStart={' '.join(quoted(word) for word in command)}",
        *stop,
        "KillMode=control-group",
        "TimeoutStopSec=90",
        "Restart=on-failure",
        "RestartSec=15",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def quoted(word: str) -> str:
    """A word of ExecStart=: systemd's own quoting, in which `%` and `$` are doubled (Environment= keeps `$`)."""
    text = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if set(text) & set(" \t;'\"\\{}") else text
