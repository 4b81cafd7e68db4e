"""Hetzner Cloud, Contabo, Cloudflare and Telegram as small stateful HTTP servers, for rehearsal and tests.

A request runs through :mod:`lab.emulators.gate` (request log, faults, rate limit), then through a vendor's
plain functions inside one transaction of :mod:`lab.emulators.store`; what the lab's world must do about it is
a job (:mod:`lab.emulators.jobs`) recorded in the same transaction. A further vendor is one subclass of
:class:`lab.emulators.vendor.Vendor`.
"""
