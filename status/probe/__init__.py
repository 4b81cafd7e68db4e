"""What a host says of itself. Runs on the host, as root, by its own python3: standard library only.

It changes nothing. :mod:`status.probe.main` tells what it is asked and what it answers;
:mod:`status.wire` makes one script of these modules, since a host need not have them.
"""
