"""One small class per vendor: read -> typed state; apply(change)."""
