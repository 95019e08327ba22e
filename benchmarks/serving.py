"""A server under load, against its network alone: `python -m benchmarks.serving --model FILE`.

Both embed the same faces, so many at a time, on all processors. The client shares them with the server, so that times
by the clock are those of both; the ratio is of processor time, the server's with all its processes.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import command_line, timed
from components.common.cores import cores
from components.litert.embedder import LiteRTEmbedder
from components.serve.open_inference import INPUT, JSON_LENGTH, NAME

Images = npt.NDArray[np.uint8]
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@contextmanager
def server(model: Path) -> Iterator[tuple[int, int]]:
    """A server that is ready: its port, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["-c", str(model), "-g", f"{folder}/gallery.db", "--port", "0", "--json"]
        flags += ["--rate", "0", "--seconds", "600"]  # on a busy machine even the network takes long to open
        with subprocess.Popen([sys.executable, "-m", "components.serve", *flags], stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                port = int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
                while _get(port, "/v2/health/ready") != 200:
                    time.sleep(0.1)
                yield port, process.pid
            finally:
                process.terminate()


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse().status


def processes(pid: int) -> list[int]:
    """A process and those that it started."""
    children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _words(task / "children")]
    return [pid, *(each for child in children for each in processes(child))]


def _words(file: Path) -> list[str]:
    return file.read_text().split()


def used(pid: int) -> tuple[float, float]:
    """Seconds of processor time, and resident megabytes, of a process and those that it started."""
    seconds = resident = 0.0
    for one in processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
        resident += int(_words(Path(f"/proc/{one}/statm"))[1]) * _PAGE / 2**20
    return seconds, resident


def ask(port: int, images: Images, times: int, taken: list[float]) -> None:
    """Asks so many times for the embeddings of images, one request after another, and notes how long each took."""
    tensor = {
        "name": INPUT,
        "datatype": "UINT8",
        "shape": images.shape,
        "parameters": {"binary_data_size": images.size},
    }
    text = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asked = 0
    while asked < times:
        begin = time.perf_counter()
        try:
            connection.request(
                "POST", f"/v2/models/{NAME}/infer", text + images.tobytes(), {JSON_LENGTH: str(len(text))}
            )
            answer = connection.getresponse()
        except ConnectionError:
            # On a busy machine a client may get no processor for so long that the server closes its connection.
            connection.close()
            continue
        content = answer.read()
        taken.append(time.perf_counter() - begin)
        assert answer.status == 200, content
        asked += 1


def load(port: int, images: Images, requests: int) -> list[float]:
    """How long each of so many requests took, of as many clients as there are processors."""
    taken: list[float] = []
    each = [threading.Thread(target=ask, args=(port, images, requests // cores(), taken)) for _ in range(cores())]
    for client in each:
        client.start()
    for client in each:
        client.join()
    return taken


def _alone(embed: LiteRTEmbedder, images: Images, times: int) -> None:
    for _ in range(times):
        embed(images)


def main() -> None:
    """One face a request, then eight, then 32; and the memory of as many requests as are asked for."""
    parser = command_line(__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--growth", type=int, default=0, help="then so many requests more, to see whether memory grows")
    arguments = parser.parse_args()
    embed = LiteRTEmbedder(arguments.model, threads=1)
    rng = np.random.default_rng(0)
    with server(arguments.model) as (port, pid):
        for faces in (1, 8, 32):
            images = rng.integers(0, 256, (faces, embed.image_size, embed.image_size, 3), np.uint8)
            number = arguments.requests // faces
            load(port, images, number // 10)
            before, _ = used(pid)
            begin = time.perf_counter()
            taken = load(port, images, number)
            clock, seconds = time.perf_counter() - begin, used(pid)[0] - before
            _, bare = timed(partial(_alone, embed, images, len(taken)))
            alone, served = (1000 * spent / (faces * len(taken)) for spent in (bare.processor, seconds))
            p50, p99 = (1000 * np.quantile(taken, [0.5, 0.99])).tolist()
            print(
                f"{faces} a request: a face takes {alone:.2f} ms of processor time alone and {served:.2f} ms served, "
                f"{alone / served:.2f}; {faces * len(taken) / clock:.0f} faces/s beside the client; "
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
                flush=True,
            )
        images = rng.integers(0, 256, (1, embed.image_size, embed.image_size, 3), np.uint8)
        for part in range(10 if arguments.growth else 0):
            load(port, images, arguments.growth // 10)
            print(f"after {(part + 1) * arguments.growth // 10:,} requests more: {used(pid)[1]:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
