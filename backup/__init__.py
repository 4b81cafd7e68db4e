"""What only the orchestrator knows, in one encrypted file, and back.

`outreach-backup make` runs there every night; `outreach backup` and `outreach restore` are the operator's
side (:mod:`deploys.backups`). The file is age's (age-encryption.org/v1) around a plain tar archive, so that
age, tar and pg_restore read it without us: see :mod:`backup.archive`.
"""
