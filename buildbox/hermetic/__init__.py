"""Hermetic steps: what their results depend on, the tree that they see, what they leave."""
