"""Who a task is inside its container: the files that make a uid known there (passwd(5), group(5)). Pure."""

from __future__ import annotations

from dataclasses import dataclass

NAME = "build"
HOME = "/home/build"


@dataclass(frozen=True)
class ImageFiles:
    """The files of an image that buildbox adds to; empty where the image has none."""

    passwd: str = ""
    group: str = ""
    gitconfig: str = ""


def passwd(image: str, uid: int, gid: int, shell: str) -> str:
    """The image's passwd with `build` in front, so that it is the name found for `uid`."""
    own = f"{NAME}:x:{uid}:{gid}:buildbox:{HOME}:{shell if shell.startswith('/') else '/bin/sh'}"
    return _with_first(own, image)


def group(image: str, gid: int) -> str:
    """The image's groups with `build` in front, so that it is the name found for `gid`."""
    return _with_first(f"{NAME}:x:{gid}:", image)


def gitconfig(image: str) -> str:
    """The image's system-wide git configuration, and trust in the sources whoever owns them."""
    start = image if not image or image.endswith("\n") else f"{image}\n"
    return f"{start}[safe]\n\tdirectory = *\n"


def _with_first(own: str, image: str) -> str:
    others = [line for line in image.split("\n") if line and not line.startswith(f"{NAME}:")]
    return "\n".join([own, *others]) + "\n"
