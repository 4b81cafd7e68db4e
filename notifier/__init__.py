"""Tell the team on Telegram, once, surely.

    from notifier import Alert, Notifier, credentials, default_outbox

    receipt = Notifier(credentials(), default_outbox()).send(
        Alert(rule="bounce rate", value="6.2 %", limit="5 %", sample="312 messages in an hour"),
        dedupe_key="bounce-rate/n1",
    )

A message is in the outbox (SQLite) before the first attempt, and leaves it when Telegram has it, refuses it,
or its deadline is over. Telegram's Bot API has no idempotency key: where a process dies, or a connection
breaks, between Telegram's acceptance and our record of it, the message is sent again. Nowhere else is one
sent twice.
"""

import logging

from notifier.bot import ConfigurationError, Server, Token
from notifier.clock import Clock
from notifier.credentials import Credentials, credentials
from notifier.database import OutboxError
from notifier.messages import Alert, Attachment, Message, MessageError, Plain, Report
from notifier.notifier import Fate, Notifier, Receipt, default_outbox, status
from notifier.outbox import Status
from notifier.render import Templates
from notifier.sender import TokenRefusedError

logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Alert",
    "Attachment",
    "Clock",
    "ConfigurationError",
    "Credentials",
    "Fate",
    "Message",
    "MessageError",
    "Notifier",
    "OutboxError",
    "Plain",
    "Receipt",
    "Report",
    "Server",
    "Status",
    "Templates",
    "Token",
    "TokenRefusedError",
    "credentials",
    "default_outbox",
    "status",
]
