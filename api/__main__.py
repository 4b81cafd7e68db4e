"""`python -m api` is `outreach-api`."""

from api.cli import main

main()
