"""Who vouches for a statement: keys, signatures and envelopes."""
