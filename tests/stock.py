"""What the hosts of tests have from the start whose promise is not that a bare host converges."""

from __future__ import annotations

from deploys.packages import packages
from lab.stock import Stock
from tests.deploys.nodes.samples import node

_ROLES = (node(), node(role="orchestrator", services=["n8n"]))
STOCK = Stock(tuple(name for role in _ROLES for name in packages(role)))
"""The packages of every role."""
