"""The probe as a host has it in the release of our tools: what `sshd` starts for the orchestrator's key.

It is asked by the command that whoever comes wants run, which sshd passes on (sshd(8), `command=`) and which
is never run.
"""

import os

from status.probe.main import main

main(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
