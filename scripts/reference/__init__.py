"""The reference in docs/reference/, made of the code: `python -m scripts.reference` writes it."""
