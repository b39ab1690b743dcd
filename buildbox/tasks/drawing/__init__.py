"""The task graph as text, mermaid, dot and svg. Pure, and the same for the same graph."""
