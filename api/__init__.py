"""The REST service: the validator, the notifier and jobs over HTTP."""
