"""Runs a task in a container of its image, with `docker run`: nothing else is asked of the engine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from pipelines.cache.named import files_at
from pipelines.local.processes import THREADS, BackEnd, Commands, Ended, Invocation
from pipelines.plan.tasks import Container

# What a container may do, here and in docker/compose.yaml: as little as a cluster with strict rules allows.
RESTRICTIONS = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none", "--tmpfs=/tmp")


def back_end(show: Callable[[str], None], lock: int | None = None) -> BackEnd:
    """Runs tasks in containers.

    Args:
        show: is given every line that a task prints, as it comes.
        lock: of `Commands`.
    """
    commands = Commands(show, lock)

    def execute(invocation: Invocation) -> Ended:
        def send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
            # To the container: a signal that only the client gets may leave the container running.
            kill = ["docker", "kill", f"--signal={number.name}", invocation.name]
            with suppress(OSError):
                subprocess.run(kill, capture_output=True, check=False, start_new_session=True)

        return commands.run(invocation, docker_run(invocation), None, send, lambda _: _session(invocation.name))

    return BackEnd(execute, commands.stop)


def _session(name: str) -> int | None:
    """The session that a container's first process begins; see `usage.Meter`."""
    inspect = ["docker", "inspect", "--format={{.Id}} {{.State.Pid}}", name]
    try:
        done = subprocess.run(inspect, capture_output=True, text=True, check=True, start_new_session=True)
        identifier, process = done.stdout.split()
        if process == "0":
            return None
        # Of an engine in a virtual machine this number means another process here, or none.
        return int(process) if identifier in Path("/proc", process, "cgroup").read_text() else 0
    except subprocess.CalledProcessError:
        return None
    except (OSError, ValueError):
        return 0


def docker_run(invocation: Invocation) -> list[str]:
    """The command that runs a task in its container, as a person can type it.

    Every path is the same inside and outside, so records and messages mean the same in both.
    """
    return [
        "docker",
        "run",
        "--rm",
        f"--name={invocation.name}",
        f"--user={os.getuid()}:{os.getgid()}",
        # Relative paths mean what the user meant by them.
        f"--workdir={Path.cwd()}",
        *RESTRICTIONS,
        *_limits(invocation.executor),
        *([f"--cpuset-cpus={','.join(map(str, invocation.cores))}"] if invocation.cores else []),
        *(f"--env={name}={value}" for name, value in {**THREADS, **invocation.executor.env}.items()),
        *_mounts(invocation.folder, invocation.inputs),
        invocation.executor.image,
        *invocation.command,
    ]


def _limits(container: Container) -> list[str]:
    limits = []
    if container.cpus is not None:
        # An engine refuses more than the machine has.
        limits.append(f"--cpus={min(container.cpus, os.cpu_count() or 1):g}")
    if container.memory is not None:
        limits.append(f"--memory={container.memory}")
    if container.shared_memory:
        limits.append(f"--shm-size={container.shared_memory}")
    if container.gpus:
        limits.append(f"--gpus={container.gpus}")
    return limits


def _mounts(folder: Path, inputs: Iterable[Path]) -> list[str]:
    seen = {each.absolute() for path in inputs for each in files_at(path) or [path]}
    # `--mount` says so when a path is not there, where `--volume` would make an empty folder.
    mounts = [_mount(path) + ",readonly" for path in sorted(seen)]
    return [*mounts, _mount(folder)]


def _mount(path: Path) -> str:
    # The fields are those of a line of a CSV file: quoted, they may have commas and quotes in them.
    quoted = str(path).replace('"', '""')
    return f'--mount=type=bind,"source={quoted}","target={quoted}"'
