"""Is the fleet well: every host looked at from inside, from outside and through DNS.

seen = places(allocation, known_hosts, ssh_key, limit)                # the hosts, and where they should be
report = Survey(allocation, seen, questions, options=Options(), inside=look_inside).run()
since = changes(memory, report)                                       # only what is not as it was

The checks in :mod:`status.checks` are pure functions from what was observed to findings. What is observed
comes from :mod:`status.probe` (runs on the host), :mod:`status.outside` and :mod:`status.names`.
"""
