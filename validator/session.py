"""One session with one domain's exchangers: which host, how it is greeted, and what its refusals lead to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from validator.budget import Lane
from validator.classify import classify
from validator.office import Office
from validator.recipients import Recipients
from validator.reply import Reply
from validator.route import Host
from validator.smtp import Answer, ProtocolError
from validator.status import Stage, Status
from validator.transport import Line, Link, LinkError
from validator.trouble import ABOUT_US, Trouble, broken, no_address, said, weightiest
from validator.work import Domain, Job

log = logging.getLogger("validator")


class Session:
    """Asks as many recipients of one domain as the budget of its lane allows."""

    __slots__ = (
        "_link",
        "_plain_hosts",
        "began",
        "domain",
        "hand",
        "host",
        "lane",
        "loop",
        "null_sender",
        "office",
        "served",
        "settings",
        "source_ip",
        "stage",
        "transcript",
    )

    def __init__(self, office: Office, domain: Domain, lane: Lane) -> None:
        self.office = office
        self.settings = office.settings
        self.domain = domain
        self.lane = lane
        self.host: Host | None = None
        self.source_ip = lane.source
        self.transcript: list[Line] | None = [] if self.settings.transcript else None
        self.loop = office.loop
        self.began = self.loop.time()
        self._link: Link | None = None
        self.hand: dict[int, Job] = {}
        self.null_sender = False
        self.served = False
        self.stage = Stage.CONNECT
        self._plain_hosts: set[str] = set()

    async def run(self) -> None:
        """Work until the domain has no more jobs for this source, the budget ends, or the hosts do."""
        try:
            await self._walk()
        except Exception:
            log.exception("session with %s", self.domain.name)
            trouble = Trouble(Status.UNKNOWN, "internal_error", self.stage, 0.0)
            for job in self.drain_hand():
                self.office.settle(job, trouble, self)
        finally:
            for job in self.drain_hand():
                self.office.again(job)

    def leave(self, on_gone: Callable[[], None]) -> None:
        """Close the last connection with QUIT."""
        link, self._link = self._link, None
        if link is None:
            on_gone()
        else:
            link.leave(on_gone, self.settings.timeouts.goodbye)

    # --- hosts ------------------------------------------------------------------------------------

    async def _walk(self) -> None:
        troubles: list[Trouble] = []
        dialled = 0
        for host in self.office.ordered(self.domain):
            found = await self.office.addresses(host.name, self.lane.source)
            if not found.usable:
                troubles.append(no_address(host, found))
            for ip in found.usable:
                if dialled >= self.settings.addresses_per_domain:
                    break
                dialled += 1
                trouble = await self._visit(host, ip)
                if trouble is None or not (self.hand or self.domain.waiting_for(self.lane.source)):
                    return
                troubles.append(trouble)
            if troubles and self._meant_for_all(troubles[-1]):
                break
        self._give_up(troubles)

    def _meant_for_all(self, trouble: Trouble) -> bool:
        """A large operator's brake holds for all its hosts; a small domain's first host may be a decoy."""
        if self.lane.operator.name not in self.settings.operators.named:
            return False
        return trouble.status is Status.THROTTLED or trouble.reason in ABOUT_US

    async def _visit(self, host: Host, ip: str) -> Trouble | None:
        if self._link is not None:
            await self._part()
        self.host = host
        self.stage = Stage.CONNECT
        try:
            link = self._link = await self.office.dial(ip, self.lane.source, self.transcript)
            self.source_ip = link.source_ip or self.lane.source
            return await self._converse(link, host)
        except LinkError as error:
            if self.stage is Stage.STARTTLS and host.name not in self._plain_hosts:
                self._plain_hosts.add(host.name)
                return await self._visit(host, ip)
            if self.transcript is not None and self._link is None:
                self.transcript.append(Line(self.loop.time(), "*", str(error)))
            return broken(error, self.stage, host)
        except ProtocolError as error:
            return Trouble(
                Status.UNKNOWN, "protocol_violation", self.stage, 0.8, host.name, details=str(error)
            )

    async def _part(self) -> None:
        """End the previous connection before the next: the operator counts both."""
        gone: asyncio.Future[None] = self.loop.create_future()
        self.leave(lambda: None if gone.done() else gone.set_result(None))
        await gone

    def _give_up(self, troubles: list[Trouble]) -> None:
        """No host could be asked: the weightiest reason is everybody's."""
        trouble = weightiest(troubles)
        jobs = self.drain_hand() + self.domain.drain(self.lane.source)
        self.heed(trouble)
        for job in jobs:
            self.deliver(job, trouble)

    def deliver(self, job: Job, trouble: Trouble) -> None:
        """Give the verdict, or see that the address is asked again when its reply says so."""
        if trouble.status is Status.THROTTLED:
            self.office.put_off(job, trouble, self)
        elif trouble.status in (Status.GREYLISTED, Status.TEMPFAIL) and trouble.stage is not Stage.DNS:
            self.office.come_back(job, trouble, self)
        else:
            self.office.settle(job, trouble, self)

    def heed(self, trouble: Trouble) -> None:
        """Leave the operator alone if that is what it asked for."""
        if trouble.status not in (Status.THROTTLED, Status.BLOCKED):
            return
        budget = self.lane.operator.budget
        text = str(trouble.reply or "")
        now = self.loop.time()
        if trouble.ends_session:
            others = self.lane.active - 1
            if trouble.stage in (Stage.BANNER, Stage.EHLO) and others > 0 and "connection" in text.lower():
                self.lane.bears_fewer(others)
            else:
                self.lane.silence(self.settings.operators.silence(text, budget.cooldown), trouble.reason, now)
        elif trouble.status is Status.BLOCKED and trouble.reason in ABOUT_US:
            self.lane.silence(
                self.settings.operators.silence(text, budget.block_cooldown), f"block:{trouble.reason}", now
            )

    # --- greeting ---------------------------------------------------------------------------------

    async def _converse(self, link: Link, host: Host) -> Trouble | None:
        times = self.settings.timeouts
        self.stage = Stage.BANNER
        banner, *greeted = await link.exchange(b"", times.banner, self._hello)
        if not banner.reply.positive:
            return self.refused(banner.reply, Stage.BANNER, host)
        if not (greeted and greeted[0].reply.positive):
            trouble = await self._greet(link, host, greeted)
            if trouble is not None:
                return trouble
        if (
            self.settings.starttls
            and "STARTTLS" in link.dialogue.extensions
            and host.name not in self._plain_hosts
        ):
            self.stage = Stage.STARTTLS
            answer = (await link.exchange(link.dialogue.starttls(), times.command))[0]
            if answer.reply.positive:
                await link.secure(host.name, times.command)
                trouble = await self._greet(link, host, [])
                if trouble is not None:
                    return trouble
        return await Recipients(self, link, host).ask_all()

    def _hello(self, link: Link) -> tuple[bytes, float]:
        """EHLO, and the seconds for its answer."""
        self.stage = Stage.EHLO
        return link.dialogue.ehlo(self.settings.helo), self.settings.timeouts.command

    async def _greet(self, link: Link, host: Host, answers: list[Answer]) -> Trouble | None:
        """Greet, if that has no answers yet."""
        reply = (answers or await link.exchange(*self._hello(link)))[0].reply
        if reply.code in (500, 501, 502, 504, 550):
            command = self.settings.timeouts.command
            reply = (await link.exchange(link.dialogue.helo(self.settings.helo), command))[0].reply
        return None if reply.positive else self.refused(reply, Stage.EHLO, host)

    def refused(self, reply: Reply, stage: Stage, host: Host) -> Trouble:
        """What a refusal before RCPT means."""
        return said(classify(reply, stage=stage, mx=host.name), reply, stage, host)

    def drain_hand(self) -> list[Job]:
        """Take back the jobs in hand."""
        jobs = list(self.hand.values())
        self.hand.clear()
        return jobs
