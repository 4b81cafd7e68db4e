"""What the fleet is: typed model, allocation, pyinfra inventory.

fleet = load_fleet(Path("fleet.yaml"))     # or FleetError, one line a problem
allocation = allocate(fleet)               # which domain lives on which node, which accounts exist
hosts(allocation, addresses, known_hosts=known_hosts_file(Path("fleet.yaml")))   # for pyinfra
"""

from inventory.allocation import (
    Account,
    Allocation,
    CapacityError,
    Home,
    Role,
    Server,
    allocate,
    evacuate,
)
from inventory.hosts import AddressError, Host, HostsError, hosts, known_hosts_file
from inventory.load import load_fleet
from inventory.model import (
    Accounts,
    Backups,
    Dkim,
    Dns,
    Domain,
    Fleet,
    Limits,
    Node,
    Operators,
    Orchestrator,
    Provider,
    Proxies,
    Sender,
    WarmupStage,
)
from inventory.problems import FleetError, Problem

__all__ = [
    "Account",
    "Accounts",
    "AddressError",
    "Allocation",
    "Backups",
    "CapacityError",
    "Dkim",
    "Dns",
    "Domain",
    "Fleet",
    "FleetError",
    "Home",
    "Host",
    "HostsError",
    "Limits",
    "Node",
    "Operators",
    "Orchestrator",
    "Problem",
    "Provider",
    "Proxies",
    "Role",
    "Sender",
    "Server",
    "WarmupStage",
    "allocate",
    "evacuate",
    "hosts",
    "known_hosts_file",
    "load_fleet",
]
