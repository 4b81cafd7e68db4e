"""What a node's mail does, counted: Postfix's log and queue as figures for Prometheus.

Existing exporters count Postfix's lines; none tells apart whose mail it was and who took it. Here each
delivery is counted by the domain that sent it and the operator that runs the receiving server, named by the
validator's own table.
"""

from metrics.lines import parse
from metrics.tally import Tally

__all__ = ["Tally", "parse"]
