"""Loads a server as many clients would, and times it against its own pipeline: throughput, fairness, memory.

python scripts/benchmark_serving.py [--clients 32] [--seconds 60] [--requests 1000] [--json FILE]

Server, pipeline and clients share this machine. The pipeline is timed alone, before and after the load, in a process of
its own, so that whatever else runs here slows both. Every client comes from an address of its own (Linux; 127.0.1.x).
"cpu" is seconds of one core that the server, and the pipeline alone, need for each file: these can be compared on a busy
machine too.
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
EXAMPLES = ROOT / "pipelines" / "web" / "examples"
AUDIO, IMAGES = "/v1/audio/transcriptions", "/v1/images/transcriptions"
# What the process that times the pipeline alone does: kind, bundle, file and seconds on its command line.
ALONE = """
import sys, time
from pipelines.handwriting import HandwritingPipeline
from pipelines.speech import SpeechPipeline
kind, bundle, path, seconds = sys.argv[1:]
pipeline = (SpeechPipeline if kind == "speech" else HandwritingPipeline).load(bundle)
pipeline(path), pipeline(path)
began, used, done = time.perf_counter(), time.process_time(), 0
while time.perf_counter() - began < float(seconds):
    pipeline(path)
    done += 1
print(done / (time.perf_counter() - began), (time.process_time() - used) / done)
"""


@dataclass(frozen=True)
class Alone:
    """The pipeline by itself."""

    per_second: float
    # Seconds of one core for each file.
    cpu: float


@dataclass(frozen=True)
class Answers:
    """What clients were answered."""

    # Seconds of each answer, client by client.
    took: list[list[float]]
    # Answers other than 200, and requests without one.
    errors: int
    seconds: float


@dataclass(frozen=True)
class Load:
    """What so many clients at once met."""

    kind: str
    clients: int
    seconds: float
    answered: int
    # Answers other than 200, and requests without one.
    errors: int
    per_second: float
    # The pipeline by itself, and the server's share of that.
    pipeline_per_second: float
    share: float
    # Seconds of one core for each file: of the server, and of the pipeline by itself.
    cpu: float
    pipeline_cpu: float
    # Requests answered to the client that got the fewest, and the most.
    fewest: int
    most: int
    median_seconds: float
    slowest_seconds: float


@dataclass(frozen=True)
class Memory:
    """The server's resident memory over many requests, one after another."""

    requests: int
    # Megabytes after every tenth of them.
    megabytes: tuple[float, ...]
    # The last against the one after the first fifth, in which it warms up.
    growth: float


@contextlib.contextmanager
def served(arguments: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address and process number."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "recog", "serve", "--speech", arguments.speech]
        command += ["--handwriting", arguments.handwriting, "--port", str(free_port())]
        environment = {**os.environ, "TMPDIR": folder, "RECOG_SERVE_MOST_WAITING": str(2 * arguments.clients)}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as server:
            assert server.stderr is not None
            address = ready(server.stderr)
            # Lines of the log are read away, lest the server waits for somebody to.
            threading.Thread(target=server.stderr.read, daemon=True).start()
            try:
                yield address, server.pid
            finally:
                server.terminate()
                server.wait(60)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ready(lines: Iterable[str]) -> str:
    """The address, when the server tells it; ends with what it said where it never does."""
    said = []
    for line in lines:
        said.append(line)
        if '"event": "ready"' in line:
            return str(json.loads(line)["address"]).rstrip("/")
    raise SystemExit("the server did not start:\n" + "".join(said))


def alone(kind: str, bundle: str, path: Path, seconds: float) -> Alone:
    """The pipeline by itself, for so many seconds."""
    command = [sys.executable, "-c", ALONE, kind, bundle, str(path), str(seconds)]
    return Alone(
        *map(float, subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())
    )


def processor_seconds(process: int) -> float:
    """What a process has used of the processor so far, in seconds of one core; 0 where no system tells."""
    told = Path(f"/proc/{process}/stat")
    if not told.exists():
        return 0.0
    user, system = told.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def request_of(route: str, path: Path) -> bytes:
    """An upload of a file, ready to be sent: what clients do must not slow the server beside them."""
    head = 'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = f"--part\r\n{head}".encode() + path.read_bytes() + b"\r\n--part--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=part"
    return f"POST {route} HTTP/1.1\r\nHost: here\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def load(address: str, route: str, path: Path, clients: int, seconds: float) -> Answers:
    """Clients that each ask again as soon as they are answered; all of them in one thread, which costs little."""
    request = request_of(route, path)
    began = time.monotonic()

    async def every() -> list[tuple[list[float], int]]:
        return await asyncio.gather(*(_client(address, request, number, began + seconds) for number in range(clients)))

    each = asyncio.run(every())
    # With the last answers, which come after the end.
    return Answers([took for took, _ in each], sum(errors for _, errors in each), time.monotonic() - began)


async def _client(address: str, request: bytes, number: int, end: float) -> tuple[list[float], int]:
    """Seconds of each answer to one client, and how many were none or another than 200."""
    host, _, port = address.removeprefix("http://").partition(":")
    own = (f"127.0.1.{number + 1}", 0) if sys.platform == "linux" else None
    took, errors, streams = list[float](), 0, None
    while (began := time.monotonic()) < end:
        try:
            async with asyncio.timeout(120):
                streams = streams or await asyncio.open_connection(host, int(port), local_addr=own)
                good = await _answered(*streams, request)
        except (OSError, EOFError, TimeoutError):
            good, streams = False, None
            await asyncio.sleep(0.1)
        errors += not good
        took.append(time.monotonic() - began)
    if streams:
        streams[1].close()
    return took, errors


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> bool:
    """Sends a request and reads the answer to its end; whether it is a good one."""
    writer.write(request)
    await writer.drain()
    status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    length = next(int(line.partition(":")[2]) for line in headers if line.startswith("content-length"))
    await reader.readexactly(length)
    return status.split()[1] == "200"


def loaded(arguments: argparse.Namespace, address: str, process: int, kind: str) -> Load:
    """The load of one kind of files, between two timings of the pipeline alone."""
    bundle, path = getattr(arguments, kind), getattr(arguments, "audio" if kind == "speech" else "picture")
    route = AUDIO if kind == "speech" else IMAGES
    load(address, route, path, 2, 5.0)  # warms up
    before = alone(kind, bundle, path, arguments.seconds / 3)
    used = processor_seconds(process)
    answers = load(address, route, path, arguments.clients, arguments.seconds)
    used = processor_seconds(process) - used
    after = alone(kind, bundle, path, arguments.seconds / 3)
    every = [one for client in answers.took for one in client]
    rate, own = (len(every) - answers.errors) / answers.seconds, (before.per_second + after.per_second) / 2
    counts = [len(client) for client in answers.took]
    told = (rate, own, rate / own, used / len(every), (before.cpu + after.cpu) / 2)
    return Load(
        kind,
        arguments.clients,
        round(answers.seconds, 1),
        len(every) - answers.errors,
        answers.errors,
        *(round(one, 3) for one in told),
        min(counts),
        max(counts),
        round(statistics.median(every), 3),
        round(max(every), 3),
    )


def memory(address: str, process: int, arguments: argparse.Namespace) -> Memory:
    """Recordings and pictures in turn, one after another."""
    import httpx

    sizes, requests = [], arguments.requests
    files = ((AUDIO, arguments.audio.read_bytes()), (IMAGES, arguments.picture.read_bytes()))
    with httpx.Client(timeout=120) as session:
        for number in range(1, requests + 1):
            route, content = files[number % 2]
            session.post(address + route, files={"file": ("a", content)}).raise_for_status()
            if number % max(1, requests // 10) == 0:
                pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
                sizes.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1))
    return Memory(requests, tuple(sizes), round(sizes[-1] / sizes[min(1, len(sizes) - 1)] - 1, 4))


def parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--speech", default="speech-en", metavar="BUNDLE", help="speech bundle (speech-en)")
    parser.add_argument(
        "--handwriting", default="handwriting-latin", metavar="BUNDLE", help="handwriting bundle (handwriting-latin)"
    )
    parser.add_argument("--audio", type=Path, default=EXAMPLES / "reader.opus", help="recording (the example's, 6 s)")
    parser.add_argument(
        "--picture", type=Path, default=EXAMPLES / "line-english.webp", help="picture (an example line)"
    )
    parser.add_argument("--clients", type=int, default=32, help="clients at once (32)")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of load for each kind (60)")
    parser.add_argument(
        "--requests", type=int, default=1000, help="requests over which memory is watched; 0: none (1000)"
    )
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables; 1 where a request was lost, the server is slower than wanted, unfair, or grows."""
    arguments = parser().parse_args(argv)
    good, told = True, dict[str, object]()
    with served(arguments) as (address, process):
        heads = (
            "kind",
            "clients",
            "s",
            "answered",
            "errors",
            "1/s",
            "pipeline",
            "share",
            "cpu",
            "cpu alone",
            "fewest",
            "most",
            "median s",
            "max s",
        )
        print("".join(f"{head:>12}" for head in heads))
        for kind in ("speech", "handwriting"):
            found = loaded(arguments, address, process, kind)
            print("".join(f"{value:>12}" for value in asdict(found).values()), flush=True)
            told[kind] = asdict(found)
            good &= not found.errors and found.share >= 0.8 and found.fewest >= 0.5 * found.most
        if arguments.requests and Path("/proc/self/statm").exists():
            kept = memory(address, process, arguments)
            print(f"memory over {kept.requests} requests, MB: {kept.megabytes}, growth {100 * kept.growth:.1f} %")
            told["memory"] = asdict(kept)
            good &= kept.growth <= 0.05
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
