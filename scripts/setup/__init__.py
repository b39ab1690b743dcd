"""Makes a machine ready for `scripts/demo` and `scripts/test`, with nothing but Python's standard library.

`machine` looks (and changes nothing), `plan` decides (and touches nothing), `work` does.
"""
