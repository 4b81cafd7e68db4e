"""The recipients of one connection: what to ask together, and what each answer leads to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from validator.classify import Finding, default_table
from validator.reply import Reply
from validator.route import Host
from validator.smtp import Answer
from validator.status import Stage, Status
from validator.transport import Link, LinkError
from validator.trouble import ABOUT_US, Trouble, broken, said
from validator.wording import without_addresses
from validator.work import Job

if TYPE_CHECKING:
    from validator.session import Session

LARGEST_BATCH = 10
# Servers count refusals: Postfix slows down after 10 and hangs up after 20 (smtpd_hard_error_limit).
MOST_REFUSALS = 8
# A server that breaks off so many sessions in a row is asked no more for this domain.
BROKEN_SESSIONS = 5
# A longer pause than this is spent disconnected; servers drop idle clients and count them.
LONGEST_IDLE = 20.0
# Not trouble of the host: the session is over, or the transaction is to be opened anew.
MAIL, RCPT, RSET = Stage.MAIL, Stage.RCPT, Stage.RSET
# Nobody has to be told but the one who asked.
FINAL = frozenset({Status.VALID, Status.MAILBOX_NOT_FOUND, Status.CATCH_ALL})
LEAVE = Trouble(Status.UNKNOWN, "leave", RCPT)
RETRY_MAIL = Trouble(Status.UNKNOWN, "retry_mail", MAIL)


# One RCPT: the address, and the job it is asked for; none for the invented one that shows a catch-all.
Ask = tuple[str, Job | None]
# One command, with the RCPT that it is or makes possible.
Step = tuple[Stage, str, Job | None]


class Recipients:
    """Asks recipients of the session's domain over one greeted connection."""

    __slots__ = ("_refusals", "domain", "host", "lane", "link", "office", "session", "settings")

    def __init__(self, session: Session, link: Link, host: Host) -> None:
        self.session = session
        self.office = session.office
        self.settings = session.settings
        self.domain = session.domain
        self.lane = session.lane
        self.link = link
        self.host = host
        self._refusals = 0

    async def ask_all(self) -> Trouble | None:
        """Ask until the work, the budget or the server's patience ends; trouble if the next host is due."""
        session, domain, lane = self.session, self.domain, self.lane
        asked = 0
        opened = False
        while True:
            if domain.catch_all:
                self._settle_catch_all()
            now = session.loop.time()
            batch = self._next_batch(lane.left(now, asked))
            if not batch or self._refusals >= MOST_REFUSALS or lane.next_recipient - now > LONGEST_IDLE:
                return None
            delay = lane.reserve(len(batch), now)
            if delay:
                await asyncio.sleep(delay)
            asked += len(batch)
            plan = self._plan(batch, opened=opened)
            answers = await self._carry_out(plan)
            opened = True
            trouble = await self._judge(plan, answers)
            if trouble is RETRY_MAIL:
                opened = False
                continue
            if trouble is not None or self.link.dialogue.waiting:
                return trouble if trouble is not LEAVE else None
            if not (session.hand or domain.waiting_for(lane.source)):
                return None

    def _next_batch(self, room: int) -> list[Ask]:
        """The recipients to ask together, the invented one before all others; none if no work is left."""
        session, domain, source = self.session, self.domain, self.lane.source
        many = self.link.dialogue.pipelining and not self.lane.pause
        size = min(room, LARGEST_BATCH if many else 1)
        asks: list[Ask] = []
        if room > 1 and self._wants_probe() and (session.hand or domain.waiting_for(source)):
            asks.append((f"{self.office.invented(domain.name)}@{domain.name}", None))
            if not many:  # with a pause between recipients, each goes alone
                return asks
            size = min(size, room - 1)
        probes = len(asks)
        held = list(session.hand.values())
        while size > 0:
            job = held.pop() if held else domain.take(source)
            if job is None:
                break
            if self._may_ask(job):
                asks.append((job.address.text, job))
                size -= 1
        return asks if len(asks) > probes else []

    def _may_ask(self, job: Job) -> bool:
        """Take a job in hand; false if it need not or cannot be asked here."""
        session = self.session
        if job.withdrawn:
            session.hand.pop(id(job), None)
            return False
        if job.address.utf8 and not self.link.dialogue.smtputf8:
            self._finish(job, Trouble(Status.UNKNOWN, "smtputf8_unsupported", RCPT, 0.9, self.host.name))
            return False
        session.hand[id(job)] = job
        job.attempts += 1
        return True

    def _wants_probe(self) -> bool:
        domain = self.domain
        return (
            domain.catch_all is None
            and domain.probe_failures < 2
            and not self.lane.operator.budget.accepts_bounces
        )

    def _plan(self, batch: list[Ask], *, opened: bool) -> list[Step]:
        """The commands: MAIL once, or RSET and MAIL before every recipient where the operator wants it so."""
        reset = self.lane.operator.budget.reset
        plan: list[Step] = []
        for address, job in batch:
            if reset or not opened or (job is not None and job.address.utf8):
                if opened:
                    plan.append((RSET, address, job))
                plan.append((MAIL, address, job))
                opened = True
            plan.append((RCPT, address, job))
        return plan

    async def _carry_out(self, plan: list[Step]) -> Sequence[Answer]:
        """Send the plan, whole where the server takes it so; its answers, fewer if it broke off."""
        command = self.settings.timeouts.command
        self.session.stage = RCPT if plan[0][0] is RCPT else MAIL
        answers: list[Answer] = []
        try:
            if self.link.dialogue.pipelining:
                return await self.link.exchange(self._commands(plan), command)
            for step in plan:
                answers += await self.link.exchange(self._commands([step]), command)
                if answers[-1].stage is MAIL and not answers[-1].reply.positive:
                    break
        except LinkError as error:
            answers += error.answers
            self._lost(plan, answers, error)
        return answers

    def _commands(self, plan: list[Step]) -> bytes:
        dialogue = self.link.dialogue
        said = b""
        together: list[str] = []
        for stage, address, job in plan:
            if stage is RCPT:
                together.append(address)
                continue
            if together:
                said += dialogue.rcpt(*together)
                together = []
            if stage is MAIL:
                sender = "" if self.session.null_sender else self.settings.sender
                said += dialogue.mail(sender, utf8=job is not None and job.address.utf8)
            else:
                said += dialogue.rset()
        return said + dialogue.rcpt(*together) if together else said

    def _lost(self, plan: list[Step], answers: list[Answer], error: LinkError) -> None:
        """The server stopped answering: the first unanswered address bears it, the others go back."""
        rest = plan[len(answers) :]
        if any(answer.stage is MAIL and not answer.reply.positive for answer in answers):
            return
        if any(what is RCPT and job is None for what, _, job in rest):
            self.domain.probe_failures += 1
        self.session.stage = RCPT if not rest or rest[0][0] is RCPT else MAIL
        answered = any(what is RCPT for what, _, _ in plan[: len(answers)])
        self.domain.broken = 0 if answered else self.domain.broken + 1
        trouble = broken(error, self.session.stage, self.host)
        if self.domain.broken >= BROKEN_SESSIONS:
            for job in self.session.drain_hand() + self.domain.drain(self.lane.source):
                self.office.settle(job, trouble, self.session)
            return
        first = next((job for what, _, job in rest if what is RCPT and job is not None), None)
        if first is not None:
            first.disconnects += 1
            if error.kind == "timeout" or first.disconnects >= 2:
                self._finish(first, trouble)

    async def _judge(self, plan: list[Step], answers: Sequence[Answer]) -> Trouble | None:
        read = default_table().classify
        host = self.host.name
        doubtful: list[tuple[Job, Finding, Reply]] = []
        ending: Trouble | None = LEAVE if len(answers) < len(plan) else None
        for (what, address, job), (_, reply) in zip(plan, answers, strict=False):
            if what is not RCPT:
                if what is MAIL and not reply.positive:
                    return self._mail_refused(reply)
                continue
            self.session.stage = RCPT
            self.domain.broken = 0
            finding = read(reply, stage=RCPT, mx=host, address=address)
            if reply.code >= 500:
                self._refusals += 1
            if job is None:
                ending = self._learn(finding, reply) or ending
            elif finding.ask and not self.domain.accepted:
                doubtful.append((job, finding, reply))
            else:
                ending = self._answered(job, finding, reply) or ending
        if doubtful:
            await self._resolve_doubt(doubtful, reachable=ending is None)
        return ending

    def _mail_refused(self, reply: Reply) -> Trouble:
        trouble = self.session.refused(reply, MAIL, self.host)
        if trouble.reason == "sender" and not self.session.null_sender:
            self.session.null_sender = True
            return RETRY_MAIL
        return trouble

    def _learn(self, finding: Finding, reply: Reply) -> Trouble | None:
        """What the invented address tells about the domain; LEAVE if it ends the session."""
        if reply.positive:
            self.office.learned_catch_all(self.domain, accepts_all=finding.status is Status.VALID or None)
        elif reply.permanent and finding.status is not Status.BLOCKED and reply.code != 503:
            self.office.learned_catch_all(self.domain, accepts_all=False)
        else:
            self.domain.probe_failures += 1
            self.office.learned_catch_all(self.domain, accepts_all=None)
            self.session.heed(Trouble(finding.status, finding.reason, RCPT, host=self.host.name, reply=reply))
            return LEAVE if finding.status is Status.THROTTLED else None
        return None

    def _answered(self, job: Job, finding: Finding, reply: Reply) -> Trouble | None:
        """Act on an answer about one address; LEAVE if the session should end."""
        session = self.session
        trouble = said(finding, reply, RCPT, self.host)
        if finding.status is Status.VALID:
            self._accepted(trouble)
        if trouble.status in FINAL:
            session.hand.pop(id(job), None)
            session.served = True
            self.office.settle(job, trouble, session)
            return None
        wants_new_session = finding.reason in ("out_of_sequence", "too_many_recipients", "new_session")
        session.hand.pop(id(job), None)
        if wants_new_session and (job.attempts < 2 or session.served):
            self.office.again(job)
            return LEAVE
        session.served = True
        session.heed(trouble)
        session.deliver(job, trouble)
        if trouble.reason in ABOUT_US:
            for other in session.drain_hand() + self.domain.drain(self.lane.source):
                self.office.settle(other, trouble, session)
            return LEAVE
        return LEAVE if trouble.ends_session else None

    def _accepted(self, trouble: Trouble) -> None:
        self.domain.accepted = True
        if self.lane.operator.budget.accepts_bounces:
            trouble.status, trouble.reason, trouble.confidence = Status.CATCH_ALL, "accepts_then_bounces", 0.7
        elif self.domain.catch_all:
            trouble.status, trouble.reason, trouble.confidence = Status.CATCH_ALL, "accepts_all", 0.95
        elif trouble.reason == "accepted" and not self.host.best:
            trouble.reason, trouble.confidence = "accepted_backup", 0.5
        elif self.domain.catch_all is None:
            trouble.reason, trouble.confidence = "accepted_unproven", 0.6

    async def _resolve_doubt(self, doubtful: list[tuple[Job, Finding, Reply]], *, reachable: bool) -> None:
        """Believe a refusal that may mean anything only if postmaster@ is answered differently.

        Every domain must accept postmaster (RFC 5321 section 4.5.1).
        """
        if self.domain.postmaster is None and not self.domain.accepted and reachable:
            self.domain.postmaster = await self._ask_postmaster()
        for job, finding, reply in doubtful:
            trouble = said(finding, reply, RCPT, self.host)
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

    async def _ask_postmaster(self) -> Reply | None:
        now = self.session.loop.time()
        if self.link.dialogue.waiting or self.lane.left(now, 0) < 1:
            return None
        await asyncio.sleep(self.lane.reserve(1, now))
        plan = self._plan([(f"postmaster@{self.domain.name}", None)], opened=True)
        answers = await self._carry_out(plan)
        return answers[-1].reply if len(answers) == len(plan) and answers[-1].reply.code < 600 else None

    def _settle_catch_all(self) -> None:
        """Once the domain is known to accept all, asking for each address would cost and teach nothing."""
        known = Trouble(Status.CATCH_ALL, "accepts_all_known", RCPT, 0.9, self.host.name)
        for job in self.session.drain_hand() + self.domain.drain(self.lane.source):
            self.office.settle(job, known, self.session)

    def _finish(self, job: Job, trouble: Trouble) -> None:
        self.session.hand.pop(id(job), None)
        self.office.settle(job, trouble, self.session)


def _same(a: Reply, b: Reply) -> bool:
    return (a.code, a.enhanced) == (b.code, b.enhanced) and without_addresses(a.text) == without_addresses(
        b.text
    )
