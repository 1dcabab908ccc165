"""What the HTTP API counts, in the text form that Prometheus reads (exposition format 0.0.4). No user content."""

import threading
from collections import Counter

# Upper bounds of the histogram, in seconds.
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters since the start of the program; one lock, so that every total is exact."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._under: dict[str, Counter[float]] = {}
        self._seconds: Counter[str] = Counter()
        self._bytes = self._pages = 0
        self._audio_seconds = 0.0

    def request(self, route: str, status: int, seconds: float, received: int) -> None:
        """One answered request: its route as we call it, what came of it, how long it took, bytes of its body."""
        with self._lock:
            self._requests[route, status] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]
            self._bytes += received
            self._under.setdefault(route, Counter()).update(bound for bound in BOUNDS if seconds <= bound)

    def heard(self, seconds: float) -> None:
        """A recording of that length was transcribed."""
        with self._lock:
            self._audio_seconds += seconds

    def page(self) -> None:
        """A picture was transcribed."""
        with self._lock:
            self._pages += 1

    def text(self, running: int, waiting: int) -> str:
        """All figures, one a line; `running` requests are being answered, `waiting` of them wait for the model."""
        with self._lock:
            lines = _head("recog_requests_total", "counter", "Requests answered, by route and status.")
            lines += [
                f'recog_requests_total{{route="{route}",status="{status}"}} {count}'
                for (route, status), count in sorted(self._requests.items())
            ]
            lines += _head(
                "recog_request_seconds", "histogram", "From the first byte of a request to the last answered."
            )
            for route in sorted(self._under):
                count = sum(number for (name, _), number in self._requests.items() if name == route)
                for bound in BOUNDS:
                    lines.append(
                        f'recog_request_seconds_bucket{{route="{route}",le="{bound:g}"}} {self._under[route][bound]}'
                    )
                lines.append(f'recog_request_seconds_bucket{{route="{route}",le="+Inf"}} {count}')
                lines.append(f'recog_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
                lines.append(f'recog_request_seconds_count{{route="{route}"}} {count}')
            for name, kind, what, value in (
                ("recog_received_bytes_total", "counter", "Bytes of request bodies.", f"{self._bytes}"),
                ("recog_audio_seconds_total", "counter", "Seconds of sound read.", f"{self._audio_seconds:.3f}"),
                ("recog_pages_total", "counter", "Pictures read.", f"{self._pages}"),
                ("recog_requests_running", "gauge", "Requests being answered now.", f"{running}"),
                ("recog_requests_waiting", "gauge", "Requests that wait for the model.", f"{waiting}"),
            ):
                lines += [*_head(name, kind, what), f"{name} {value}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP {name} {what}", f"# TYPE {name} {kind}"]
