"""How two files differ: in which member of an archive, in what, and where."""
