"""The configuration of a fleet as an Ansible project, made from the very values that our deploys converge.

Nothing is translated by hand, so nothing can be easier for one side: packages, paths, contents, modes,
owners, units and keys are read from `deploys.base.services` and `deploys.mail.services`. Contents are written
out ready made: Ansible renders no template and hashes no password.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploys.base import services as base
from deploys.mail.services import PACKAGES as MAIL_PACKAGES
from deploys.mail.services import Passwords, mail_services
from deploys.operations.births import Birth
from deploys.operations.configuration import Service
from inventory import Host
from inventory.settings import Settings, settings


@dataclass(frozen=True)
class Work:
    """What one host must have.

    Args:
        address: where it is.
        packages: installed.
        services: in the order of `deploys/site.py`.
        births: files that are there, with mode and owner.
    """

    address: str
    packages: tuple[str, ...]
    services: tuple[Service, ...]
    births: tuple[Birth, ...]

    @property
    def units(self) -> tuple[str, ...]:
        """The units that are enabled and, where they can, run."""
        return tuple(service.unit for service in self.services if service.unit)


def work_of(host: Host, passwords: Passwords, watcher: str) -> Work:
    """Read off our deploys what they want of a host."""
    current: Settings = settings(host.data)
    mail = mail_services(current, passwords)
    services = (
        base.identity(current),
        base.ssh(current, watcher),
        base.firewall(current),
        base.clock(current),
        base.logs(current),
        base.upgrades(current),
        base.resolver(current),
        *(service for service in (mail.users, mail.rspamd, mail.dovecot, mail.postfix) if service),
    )
    packages = (*base.PACKAGES, *(MAIL_PACKAGES if current.sends_mail else ()))
    return Work(host.data["ssh_hostname"], packages, services, mail.births)


def write(
    directory: Path,
    work: Mapping[str, Work],
    idle: Mapping[str, Collection[str]],
    ssh_key: Path,
    known_hosts: Path,
) -> None:
    """Write `ansible.cfg`, `hosts.yaml`, `site.yaml` and the files.

    Args:
        directory: made, readable by its owner alone: password hashes are in it.
        work: by host.
        idle: units by host that cannot run there (chrony in a container has no clock to set). To ask for one
            to be started would count as a change in every run.
        ssh_key: private key that logs in as root.
        known_hosts: the pinned host keys.
    """
    directory.mkdir(mode=0o700)
    (directory / "ansible.cfg").write_text(_configuration(directory, ssh_key, known_hosts))
    _dump(directory / "hosts.yaml", {"all": {"hosts": {n: _variables(w, idle[n]) for n, w in work.items()}}})
    _dump(directory / "site.yaml", [_play(list(work.values()))])
    for name, wanted in work.items():
        for service in wanted.services:
            for file in service.files:
                path = directory / "files" / name / file.path.lstrip("/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file.content)


def _configuration(directory: Path, ssh_key: Path, known_hosts: Path) -> str:
    """Ansible at its best: https://docs.ansible.com/ansible-core/2.19/reference_appendices/config.html."""
    options = {
        "ControlMaster": "auto",
        "ControlPersist": "60s",
        "IdentitiesOnly": "yes",
        "PreferredAuthentications": "publickey",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts),
    }
    flags = ["-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    return f"""\
[defaults]
home = {directory / "home"}
inventory = {directory / "hosts.yaml"}
forks = 20
timeout = 30
gathering = explicit
interpreter_python = /usr/bin/python3
display_ok_hosts = false
display_skipped_hosts = false
private_key_file = {ssh_key}
remote_user = root

[connection]
pipelining = true

[ssh_connection]
ssh_args = {shlex.join(flags)}
"""


def _variables(work: Work, idle: Collection[str]) -> dict[str, Any]:
    return {
        "ansible_host": work.address,
        "packages": list(work.packages),
        "files": {
            service.name: [
                {"path": file.path, "mode": f"{file.mode:04o}", "owner": file.owner, "group": file.group}
                for file in service.files
            ]
            for service in work.services
        },
        "units": {unit: {} if unit in idle else {"state": "started"} for unit in work.units},
        "births": [{"path": birth.path, "owner": birth.owner} for birth in work.births],
    }


def _play(work: Sequence[Work]) -> dict[str, Any]:
    services = {service.name: service for wanted in work for service in wanted.services}
    tasks = [_packages()]
    for service in services.values():
        if service.name == "rspamd":  # the signer's keys are there before it, as in deploys/mail
            tasks.append(_births())
        tasks.append(_files(service))
        if service.unit:
            tasks.append(_unit(service.unit))
    handlers = [
        {"name": service.name, "ansible.builtin.shell": service.reload} for service in services.values()
    ]
    return {"hosts": "all", "gather_facts": False, "tasks": tasks, "handlers": handlers}


def _packages() -> dict[str, Any]:
    return {
        "name": "Packages",
        "ansible.builtin.apt": {"name": "{{ packages }}", "state": "present", "install_recommends": False},
    }


def _files(service: Service) -> dict[str, Any]:
    """One task for all files of a service: a loop is cheaper than a task a file."""
    return {
        "name": f"Files of {service.name}",
        "ansible.builtin.copy": {
            "src": "files/{{ inventory_hostname }}{{ item.path }}",
            "dest": "{{ item.path }}",
            "mode": "{{ item.mode }}",
            "owner": "{{ item.owner }}",
            "group": "{{ item.group }}",
        },
        "loop": f"{{{{ files['{service.name}'] | default([]) }}}}",
        "loop_control": {"label": "{{ item.path }}"},
        "notify": service.name,
    }


def _unit(unit: str) -> dict[str, Any]:
    return {
        "name": f"Unit {unit}",
        "ansible.builtin.systemd_service": {
            "name": unit,
            "enabled": True,
            "state": f"{{{{ units['{unit}'].state | default(omit) }}}}",
        },
        "when": f"'{unit}' in units",
    }


def _births() -> dict[str, Any]:
    return {
        "name": "Keys",
        "ansible.builtin.file": {
            "path": "{{ item.path }}",
            "state": "file",
            "mode": "0600",
            "owner": "{{ item.owner }}",
            "group": "{{ item.owner }}",
        },
        "loop": "{{ births }}",
        "loop_control": {"label": "{{ item.path }}"},
    }


def _dump(path: Path, data: object) -> None:
    path.write_text(yaml.safe_dump(data, sort_keys=False, width=1000))
