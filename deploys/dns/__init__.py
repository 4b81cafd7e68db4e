"""What a fleet's zones hold, and how each kind of record is spelled and compared."""
