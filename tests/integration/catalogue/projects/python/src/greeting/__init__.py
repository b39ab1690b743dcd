"""Greets."""

from importlib.resources import files


def greeting(name: str) -> str:
    """What to say to `name`."""
    return (
        files(__package__).joinpath("words.txt").read_text("utf-8").strip().format(name)
    )


def main() -> None:
    """Says it to everyone."""
    print(greeting("world"))
