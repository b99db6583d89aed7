"""What Prometheus may read of the queue and of one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from narcis.errors import BadInput, Unavailable
from narcis.records import queries

REGISTRY = CollectorRegistry()
SECONDS = (1, 2, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600)

WAIT = Histogram(
    "narcis_wait_seconds", "from asking for a run to its start", ["job"], buckets=SECONDS, registry=REGISTRY
)
TIME = Histogram("narcis_run_seconds", "how long runs take", ["job", "tier"], buckets=SECONDS, registry=REGISTRY)
ENDED = Counter("narcis_runs", "runs that ended, by how", ["job", "state"], registry=REGISTRY)
KERNELS = Counter("narcis_kernel_starts", "processes that were started for notebooks", registry=REGISTRY)
RESCUED = Counter("narcis_rescues", "runs taken from workers that were lost", ["state"], registry=REGISTRY)
IDEAS = Counter("narcis_ideas", "ideas: written, kept before, or fell_back", ["writer", "how"], registry=REGISTRY)


class Depth(Collector):
    """Read from the queue when somebody looks, so that it is true whichever worker is asked."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily("narcis_queue_depth", "runs that wait and run", labels=["job", "state"])
        with suppress(Unavailable):  # the worker's own numbers are wanted all the more then
            for (job, state), number in queries.depth(self.engine).items():
                family.add_metric([job, state], number)
        yield family


def serve(engine: Engine, port: int, host: str = "127.0.0.1") -> Callable[[], None]:
    """`/metrics` on a port (0: any free one), in a thread of its own; what ends it."""
    depth = Depth(engine)
    try:
        server, thread = start_http_server(port, addr=host, registry=REGISTRY)
    except OSError as error:
        raise BadInput(f"metrics cannot be served on {host}:{port}: {error.strerror}; choose another port") from None
    REGISTRY.register(depth)

    def end() -> None:
        REGISTRY.unregister(depth)
        server.shutdown()
        server.server_close()
        thread.join()

    return end
