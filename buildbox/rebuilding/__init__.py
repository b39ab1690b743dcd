"""A build from its statement, made again and compared."""
