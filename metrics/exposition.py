"""Figures as Prometheus reads them: its text format, by its own library."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from metrics.queue import Queue
from metrics.tally import BUCKETS, FAMILIES, Tally

PREFIX = "outreach_mail_"


def exposition(tally: Tally, queue: Queue | None, log_time: float) -> bytes:
    """The whole text.

    Args:
        tally: the counters.
        queue: what waits; None where Postfix could not be asked.
        log_time: of the last line that was read, seconds since 1970; 0 where none was.
    """
    registry = CollectorRegistry()
    registry.register(_Figures(tally, queue, log_time))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, tally: Tally, queue: Queue | None, log_time: float) -> None:
        self.tally = tally
        self.queue = queue
        self.log_time = log_time

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        for name, family in FAMILIES.items():
            metric = CounterMetricFamily(PREFIX + name, family.about, labels=family.labels)
            for labels, count in sorted(self.tally.counters[name].items()):
                metric.add_metric(labels, count)
            yield metric
        yield self._delays()
        yield GaugeMetricFamily(
            f"{PREFIX}log_timestamp_seconds", "Time of the last line that was read.", self.log_time
        )
        yield GaugeMetricFamily(
            f"{PREFIX}queue_known", "Whether Postfix told its queue.", int(bool(self.queue))
        )
        if self.queue:
            yield from _queued(self.queue)

    def _delays(self) -> Metric:
        metric = HistogramMetricFamily(
            f"{PREFIX}delay_seconds", "From arrival here to acceptance there.", labels=("operator",)
        )
        for operator, delay in sorted(self.tally.delays.items()):
            total, buckets = 0, []
            for bound, count in zip((*map(float, BUCKETS), float("inf")), delay.counts, strict=True):
                total += count
                buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
            metric.add_metric([operator], buckets, delay.seconds)
        return metric


def _queued(queue: Queue) -> Iterator[Metric]:
    size = GaugeMetricFamily(f"{PREFIX}queue_messages", "Messages in a queue.", labels=("queue",))
    for name, count in queue.messages.items():
        size.add_metric([name], count)
    yield size
    yield GaugeMetricFamily(
        f"{PREFIX}queue_oldest_seconds", "Age of the oldest message in any queue; 0 for none.", queue.oldest
    )
