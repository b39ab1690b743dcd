"""How two files differ, for people."""
