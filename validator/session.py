"""One session with one domain's exchangers: what to ask, in which order, and what each answer leads to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from validator.budget import Lane
from validator.classify import Finding, classify, without_addresses
from validator.reply import Reply
from validator.route import Addresses, Host
from validator.settings import Settings
from validator.smtp import Answer, ProtocolError
from validator.status import Stage, Status
from validator.transport import Line, Link, LinkError
from validator.work import Domain, Job

log = logging.getLogger("validator")

# Reasons that are about us, not about one recipient: the operator is left alone.
ABOUT_US = frozenset({"dnsbl", "too_many_invalid", "host_identity", "session_refused"})
LARGEST_BATCH = 10
# Servers count refusals: Postfix slows down after 10 and hangs up after 20 (smtpd_hard_error_limit).
MOST_REFUSALS = 8
# A server that breaks off so many sessions in a row is asked no more for this domain.
BROKEN_SESSIONS = 5
# A longer pause than this is spent disconnected; servers drop idle clients and count them.
LONGEST_IDLE = 20.0
RANK = {
    Status.BLOCKED: 5,
    Status.THROTTLED: 4,
    Status.GREYLISTED: 3,
    Status.TEMPFAIL: 3,
    Status.UNKNOWN: 2,
    Status.TIMEOUT: 2,
}


@dataclass(slots=True)
class Trouble:
    """Why a host could not be asked, or what it said."""

    status: Status
    reason: str
    stage: Stage
    confidence: float = 0.9
    host: str = ""
    reply: Reply | None = None
    rule: str = ""
    details: str = ""


@dataclass(slots=True)
class Ask:
    """One RCPT: for a job, or the invented address that shows a catch-all."""

    address: str
    job: Job | None = None


class Office(Protocol):
    """What a session needs from the engine that started it."""

    settings: Settings

    async def dial(self, ip: str, source: str, transcript: list[Line] | None) -> Link:
        """Connect."""

    async def addresses(self, host: str, source: str) -> Addresses:
        """Where a host listens."""

    def ordered(self, domain: Domain) -> list[Host]:
        """The route, equals shuffled."""

    def invented(self, domain: str) -> str:
        """A local part nobody has; the same each time, so that a greylist knows it again."""

    def learned_catch_all(self, domain: Domain, accepts_all: bool | None) -> None:
        """The question is settled, one way or as unanswerable."""

    def settle(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Give the verdict."""

    def come_back(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Greylisted: again later from the same source, or give the verdict."""

    def put_off(self, job: Job, trouble: Trouble, session: Session) -> None:
        """Throttled: again after the cool-down, or give the verdict."""

    def again(self, job: Job) -> None:
        """Back to the queue at once."""


class Session:
    """Asks as many recipients of one domain as the budget of its lane allows."""

    def __init__(self, office: Office, domain: Domain, lane: Lane) -> None:
        self.office = office
        self.settings = office.settings
        self.domain = domain
        self.lane = lane
        self.host: Host | None = None
        self.source_ip = lane.source
        self.transcript: list[Line] | None = [] if self.settings.transcript else None
        self.began = asyncio.get_running_loop().time()
        self._loop = asyncio.get_running_loop()
        self._link: Link | None = None
        self._hand: dict[int, Job] = {}
        self._null_sender = False
        self._served = False
        self._refusals = 0
        self._stage = Stage.CONNECT
        self._plain_hosts: set[str] = set()

    async def run(self) -> None:
        """Work until the domain has no more jobs for this source, the budget ends, or the hosts do."""
        try:
            await self._walk()
        except Exception:
            log.exception("session with %s", self.domain.name)
            trouble = Trouble(Status.UNKNOWN, "internal_error", self._stage, 0.0)
            for job in self._drain_hand():
                self.office.settle(job, trouble, self)
        finally:
            for job in self._drain_hand():
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
                troubles.append(_no_address(host, found))
            for ip in found.usable:
                if dialled >= self.settings.addresses_per_domain:
                    break
                dialled += 1
                trouble = await self._visit(host, ip)
                if trouble is None or not (self._hand or self.domain.waiting_for(self.lane.source)):
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
        await self._part()
        self.host = host
        self._stage = Stage.CONNECT
        self._refusals = 0
        try:
            self._link = await self.office.dial(ip, self.lane.source, self.transcript)
            self.source_ip = self._link.source_ip or self.lane.source
            trouble = await self._converse(self._link, host)
        except LinkError as error:
            if self._stage is Stage.STARTTLS and host.name not in self._plain_hosts:
                self._plain_hosts.add(host.name)
                return await self._visit(host, ip)
            return self._broken(error, host)
        except ProtocolError as error:
            return Trouble(
                Status.UNKNOWN, "protocol_violation", self._stage, 0.8, host.name, details=str(error)
            )
        return trouble

    async def _part(self) -> None:
        """End the previous connection before the next: the operator counts both."""
        if self._link is not None:
            gone: asyncio.Future[None] = self._loop.create_future()
            self.leave(lambda: None if gone.done() else gone.set_result(None))
            await gone

    def _broken(self, error: LinkError, host: Host) -> Trouble:
        if self.transcript is not None and self._link is None:
            self.transcript.append(Line(self._loop.time(), "*", str(error)))
        kinds = {
            "refused": (Status.CONNECTION_REFUSED, "refused", 0.95),
            "timeout": (Status.TIMEOUT, "no_answer", 0.9),
            "unreachable": (Status.UNKNOWN, "unreachable", 0.8),
            "proxy": (Status.UNKNOWN, "proxy", 0.8),
            "protocol": (Status.UNKNOWN, "protocol_violation", 0.8),
        }
        status, reason, confidence = kinds.get(error.kind, (Status.UNKNOWN, "disconnected", 0.8))
        return Trouble(status, reason, self._stage, confidence, host.name)

    def _give_up(self, troubles: list[Trouble]) -> None:
        """No host could be asked: the weightiest reason is everybody's."""
        if not troubles:
            troubles = [Trouble(Status.NO_MX, "mx_unresolvable", Stage.DNS)]
        trouble = max(troubles, key=lambda item: RANK.get(item.status, 1))
        jobs = self._drain_hand() + self.domain.drain(self.lane.source)
        self._heed(trouble)
        for job in jobs:
            self._deliver(job, trouble)

    def _deliver(self, job: Job, trouble: Trouble) -> None:
        if trouble.status is Status.THROTTLED:
            self.office.put_off(job, trouble, self)
        elif trouble.status in (Status.GREYLISTED, Status.TEMPFAIL) and trouble.stage is not Stage.DNS:
            self.office.come_back(job, trouble, self)
        else:
            self.office.settle(job, trouble, self)

    def _heed(self, trouble: Trouble) -> None:
        """Leave the operator alone if that is what it asked for."""
        budget = self.lane.operator.budget
        text = str(trouble.reply or "")
        now = self._loop.time()
        if trouble.status is Status.THROTTLED and trouble.reason != "mailbox_receiving_too_fast":
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
        self._stage = Stage.BANNER
        banner = (await link.exchange(b"", times.banner))[0]
        if not banner.reply.positive:
            return self._refused(banner.reply, Stage.BANNER, host)
        trouble = await self._greet(link, host)
        if trouble is not None:
            return trouble
        if (
            self.settings.starttls
            and "STARTTLS" in link.dialogue.extensions
            and host.name not in self._plain_hosts
        ):
            self._stage = Stage.STARTTLS
            answer = (await link.exchange(link.dialogue.starttls(), times.command))[0]
            if answer.reply.positive:
                await link.secure(host.name, times.command)
                trouble = await self._greet(link, host)
                if trouble is not None:
                    return trouble
        return await self._ask_all(link, host)

    async def _greet(self, link: Link, host: Host) -> Trouble | None:
        self._stage = Stage.EHLO
        command = self.settings.timeouts.command
        answer = (await link.exchange(link.dialogue.ehlo(self.settings.helo), command))[0]
        if answer.reply.code in (500, 501, 502, 504, 550):
            answer = (await link.exchange(link.dialogue.helo(self.settings.helo), command))[0]
        return None if answer.reply.positive else self._refused(answer.reply, Stage.EHLO, host)

    def _refused(self, reply: Reply, stage: Stage, host: Host) -> Trouble:
        finding = classify(reply, stage=stage, mx=host.name)
        return Trouble(
            finding.status, finding.reason, stage, finding.confidence, host.name, reply, finding.rule
        )

    # --- recipients -------------------------------------------------------------------------------

    async def _ask_all(self, link: Link, host: Host) -> Trouble | None:
        asked = 0
        opened = False
        while True:
            if self.domain.catch_all:
                self._settle_catch_all(host)
            room = self.lane.left(self._loop.time(), asked)
            batch = self._next_batch(link, room)
            if not batch or self._refusals >= MOST_REFUSALS:
                return None
            now = self._loop.time()
            if self.lane.next_recipient - now > LONGEST_IDLE:
                return None
            delay = self.lane.reserve(len(batch), now)
            if delay:
                await asyncio.sleep(delay)
            asked += len(batch)
            plan = self._plan(batch, opened=opened)
            answers = await self._carry_out(link, plan)
            opened = True
            trouble = await self._judge(link, host, plan, answers)
            if trouble is RETRY_MAIL:
                opened = False
                continue
            if trouble is not None or link.dialogue.waiting:
                return trouble if trouble is not LEAVE else None

    def _next_batch(self, link: Link, room: int) -> list[Ask]:
        many = link.dialogue.pipelining and not self.lane.pause
        size = min(room, LARGEST_BATCH if many else 1)
        asks: list[Ask] = []
        if self._wants_probe() and room > 1 and (self._hand or self.domain.waiting_for(self.lane.source)):
            asks.append(Ask(f"{self.office.invented(self.domain.name)}@{self.domain.name}"))
            size = min(size, room - 1) if many else 0  # with a pause between recipients, each goes alone
        held = list(self._hand.values())
        while size > 0:
            job = held.pop() if held else self.domain.take(self.lane.source)
            if job is None:
                break
            self._hand[id(job)] = job
            if job.address.utf8 and not link.dialogue.smtputf8:
                self._finish(
                    job, Trouble(Status.UNKNOWN, "smtputf8_unsupported", Stage.RCPT, 0.9, self._host_name())
                )
                continue
            job.attempts += 1
            asks.append(Ask(job.address.text, job))
            size -= 1
        return asks if not many or any(ask.job for ask in asks) else []

    def _wants_probe(self) -> bool:
        domain = self.domain
        return (
            domain.catch_all is None
            and domain.probe_failures < 2
            and not self.lane.operator.budget.accepts_bounces
        )

    def _plan(self, batch: list[Ask], *, opened: bool) -> list[tuple[str, Ask]]:
        """The commands: MAIL once, or RSET and MAIL before every recipient where the operator wants it so."""
        plan: list[tuple[str, Ask]] = []
        for ask in batch:
            utf8 = ask.job is not None and ask.job.address.utf8
            if not opened or self.lane.operator.budget.reset or utf8:
                if opened:
                    plan.append(("rset", ask))
                plan.append(("mail", ask))
                opened = True
            plan.append(("rcpt", ask))
        return plan

    async def _carry_out(self, link: Link, plan: list[tuple[str, Ask]]) -> list[Answer]:
        """Send the plan, whole where the server takes it so; its answers, fewer if it broke off."""
        command = self.settings.timeouts.command
        self._stage = Stage.MAIL if plan[0][0] != "rcpt" else Stage.RCPT
        answers: list[Answer] = []
        try:
            if link.dialogue.pipelining:
                return await link.exchange(b"".join(self._command(link, *step) for step in plan), command)
            for step in plan:
                answers += await link.exchange(self._command(link, *step), command)
                if answers[-1].stage is Stage.MAIL and not answers[-1].reply.positive:
                    break
        except LinkError as error:
            answers += error.answers
            self._lost(plan, answers, error)
        return answers

    def _command(self, link: Link, what: str, ask: Ask) -> bytes:
        if what == "rset":
            return link.dialogue.rset()
        if what == "mail":
            utf8 = ask.job is not None and ask.job.address.utf8
            return link.dialogue.mail("" if self._null_sender else self.settings.sender, utf8=utf8)
        return link.dialogue.rcpt(ask.address)

    def _lost(self, plan: list[tuple[str, Ask]], answers: list[Answer], error: LinkError) -> None:
        """The server stopped answering: the first unanswered address bears it, the others go back."""
        rest = plan[len(answers) :]
        if any(answer.stage is Stage.MAIL and not answer.reply.positive for answer in answers):
            return
        if any(what == "rcpt" and ask.job is None for what, ask in rest):
            self.domain.probe_failures += 1
        self._stage = Stage.RCPT if not rest or rest[0][0] == "rcpt" else Stage.MAIL
        self.domain.broken += 1
        trouble = self._broken(error, self.host or Host("", 0, best=True))
        if self.domain.broken >= BROKEN_SESSIONS:
            for job in self._drain_hand() + self.domain.drain(self.lane.source):
                self.office.settle(job, trouble, self)
            return
        first = next((ask.job for what, ask in rest if what == "rcpt" and ask.job is not None), None)
        if first is not None:
            first.disconnects += 1
            if error.kind == "timeout" or first.disconnects >= 2:
                self._finish(first, trouble)

    async def _judge(
        self, link: Link, host: Host, plan: list[tuple[str, Ask]], answers: list[Answer]
    ) -> Trouble | None:
        doubtful: list[tuple[Job, Finding, Reply]] = []
        ending: Trouble | None = LEAVE if len(answers) < len(plan) else None
        for (what, ask), answer in zip(plan, answers, strict=False):
            if what == "mail" and not answer.reply.positive:
                return self._mail_refused(answer.reply, host)
            if what != "rcpt":
                continue
            self._stage = Stage.RCPT
            self.domain.broken = 0
            self._refusals += answer.reply.permanent
            finding = classify(answer.reply, mx=host.name, address=ask.address)
            if ask.job is None:
                ending = self._learn(finding, answer.reply, host) or ending
            elif finding.ask and not self.domain.accepted:
                doubtful.append((ask.job, finding, answer.reply))
            else:
                ending = self._answered(ask.job, finding, answer.reply, host) or ending
        if doubtful:
            await self._resolve_doubt(link, host, doubtful, reachable=ending is None)
        return ending

    def _mail_refused(self, reply: Reply, host: Host) -> Trouble:
        trouble = self._refused(reply, Stage.MAIL, host)
        if trouble.reason == "sender" and not self._null_sender:
            self._null_sender = True
            return RETRY_MAIL
        return trouble

    def _learn(self, finding: Finding, reply: Reply, host: Host) -> Trouble | None:
        """What the invented address tells about the domain; LEAVE if it ends the session."""
        if reply.positive:
            self.office.learned_catch_all(self.domain, accepts_all=finding.status is Status.VALID or None)
        elif reply.permanent and finding.status is not Status.BLOCKED and reply.code != 503:
            self.office.learned_catch_all(self.domain, accepts_all=False)
        else:
            self.domain.probe_failures += 1
            self.office.learned_catch_all(self.domain, accepts_all=None)
            self._heed(Trouble(finding.status, finding.reason, Stage.RCPT, host=host.name, reply=reply))
            return LEAVE if finding.status is Status.THROTTLED else None
        return None

    def _answered(self, job: Job, finding: Finding, reply: Reply, host: Host) -> Trouble | None:
        """Act on an answer about one address; LEAVE if the session should end."""
        trouble = Trouble(
            finding.status, finding.reason, Stage.RCPT, finding.confidence, host.name, reply, finding.rule
        )
        if finding.status is Status.VALID:
            self._accepted(trouble, host)
        wants_new_session = finding.reason in ("out_of_sequence", "too_many_recipients", "new_session")
        if wants_new_session and (job.attempts < 2 or self._served):
            self._hand.pop(id(job), None)
            self.office.again(job)
            return LEAVE
        self._hand.pop(id(job), None)
        self._served = True
        self._heed(trouble)
        self._deliver(job, trouble)
        if trouble.reason in ABOUT_US:
            for other in self._drain_hand() + self.domain.drain(self.lane.source):
                self.office.settle(other, trouble, self)
            return LEAVE
        return (
            LEAVE
            if trouble.status is Status.THROTTLED and trouble.reason != "mailbox_receiving_too_fast"
            else None
        )

    def _accepted(self, trouble: Trouble, host: Host) -> None:
        self.domain.accepted = True
        if self.lane.operator.budget.accepts_bounces:
            trouble.status, trouble.reason, trouble.confidence = Status.CATCH_ALL, "accepts_then_bounces", 0.7
        elif self.domain.catch_all:
            trouble.status, trouble.reason, trouble.confidence = Status.CATCH_ALL, "accepts_all", 0.95
        elif trouble.reason == "accepted" and not host.best:
            trouble.reason, trouble.confidence = "accepted_backup", 0.5
        elif self.domain.catch_all is None:
            trouble.reason, trouble.confidence = "accepted_unproven", 0.6

    async def _resolve_doubt(
        self, link: Link, host: Host, doubtful: list[tuple[Job, Finding, Reply]], *, reachable: bool
    ) -> None:
        """Believe a refusal that may mean anything only if postmaster@ is answered differently.

        Every domain must accept postmaster (RFC 5321 section 4.5.1).
        """
        if self.domain.postmaster is None and not self.domain.accepted and reachable:
            self.domain.postmaster = await self._ask_postmaster(link)
        for job, finding, reply in doubtful:
            trouble = Trouble(
                finding.status, finding.reason, Stage.RCPT, finding.confidence, host.name, reply, finding.rule
            )
            postmaster = self.domain.postmaster
            if self.domain.accepted or (postmaster is not None and not _same(postmaster, reply)):
                if finding.reason == "bare_refusal":
                    trouble.status, trouble.reason, trouble.confidence = (
                        Status.MAILBOX_NOT_FOUND,
                        "not_found_confirmed",
                        0.75,
                    )
                elif finding.status is Status.MAILBOX_NOT_FOUND:
                    trouble.confidence = min(0.95, trouble.confidence + 0.1)
            elif postmaster is not None and finding.reason != "mailbox_unavailable":
                everyone = (
                    "domain_not_served" if finding.reason == "directory_edge_block" else "refuses_everyone"
                )
                trouble.status, trouble.reason, trouble.confidence = Status.UNKNOWN, everyone, 0.7
            self._finish(job, trouble)

    async def _ask_postmaster(self, link: Link) -> Reply | None:
        now = self._loop.time()
        if link.dialogue.waiting or self.lane.left(now, 0) < 1:
            return None
        await asyncio.sleep(self.lane.reserve(1, now))
        ask = Ask(f"postmaster@{self.domain.name}")
        plan = self._plan([ask], opened=True)
        answers = await self._carry_out(link, plan)
        return answers[-1].reply if len(answers) == len(plan) and answers[-1].reply.code < 600 else None

    def _settle_catch_all(self, host: Host) -> None:
        """Once the domain is known to accept all, asking for each address would cost and teach nothing."""
        known = Trouble(Status.CATCH_ALL, "accepts_all_known", Stage.RCPT, 0.9, host.name)
        for job in self._drain_hand() + self.domain.drain(self.lane.source):
            self.office.settle(job, known, self)

    def _finish(self, job: Job, trouble: Trouble) -> None:
        self._hand.pop(id(job), None)
        self.office.settle(job, trouble, self)

    def _drain_hand(self) -> list[Job]:
        jobs = list(self._hand.values())
        self._hand.clear()
        return jobs

    def _host_name(self) -> str:
        return self.host.name if self.host else ""


LEAVE = Trouble(Status.UNKNOWN, "leave", Stage.RCPT)
RETRY_MAIL = Trouble(Status.UNKNOWN, "retry_mail", Stage.MAIL)


def _same(a: Reply, b: Reply) -> bool:
    return (a.code, a.enhanced) == (b.code, b.enhanced) and without_addresses(a.text) == without_addresses(
        b.text
    )


def _no_address(host: Host, found: Addresses) -> Trouble:
    if found.refused:
        refused = ", ".join(found.refused)
        details = f"The exchanger {host.name} has only addresses that must not be dialled: {refused}."
        return Trouble(Status.NO_MX, "mx_private", Stage.DNS, 0.9, host.name, details=details)
    if found.error in ("timeout", "servfail", "refused", "malformed"):
        status = Status.TIMEOUT if found.error == "timeout" else Status.UNKNOWN
        return Trouble(status, f"dns_{found.error}", Stage.DNS, 0.8, host.name)
    return Trouble(Status.NO_MX, "mx_unresolvable", Stage.DNS, 0.9, host.name)
