"""`python -m notifier`: the `notifier` command."""

from notifier.cli import main

main()
