"""What a task sees of the host: its sources, their repository, and the files that say who it is."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from buildbox import identity
from buildbox.archive.images import ArchivedImage
from buildbox.container import RUN_LABEL, SOURCE, Bind, ContainerSpec
from buildbox.digest import Digest
from buildbox.engine.protocol import Engine
from buildbox.errors import ArchiveError
from buildbox.identity import ImageFiles
from buildbox.project import GitFolder
from buildbox.trust import ResolvedMount

GIT = "/run/buildbox/git"  # where the repository of a worktree or submodule is seen
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_CA_BUNDLES = (  # where distributions keep the machine's certificates
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def source_binds(root: Path, mounts: Iterable[ResolvedMount]) -> tuple[Bind, ...]:
    """The project at /src, and the task's own mounts."""
    return (
        Bind(str(root), SOURCE),
        *(Bind(str(mount.source), mount.target, mount.read_only) for mount in mounts),
    )


def git_binds(root: Path, git: GitFolder | None, data: Path, *, writable: bool) -> tuple[Bind, ...]:
    """The repository, read-only unless the user allows more: a task that could write hooks or
    configuration there would have its commands run on the host by the next git command.

    A worktree's or submodule's repository lies elsewhere: it is seen at GIT, and `.git` names that.
    """
    if git is None or not git.trusted:
        return ()
    inside = f"{SOURCE}/.git"
    if git.dot_git.is_dir():
        return () if writable else (Bind(str(git.dot_git), inside, read_only=True),)
    repository = Bind(str(git.common_dir), GIT, read_only=not writable)
    place = git.git_dir.relative_to(git.common_dir)
    if place.parts:  # a worktree: a folder of its own in the repository
        link = kept_file(data, f"gitdir: {GIT}/{place}\n")
        return repository, Bind(str(link), inside, read_only=True)
    link = kept_file(data, f"gitdir: {GIT}\n")
    config = (git.git_dir / "config").read_text(errors="surrogateescape")
    settled = kept_file(data, f"{config}\n[core]\n\tworktree = {SOURCE}\n")  # a submodule's is a path outside
    return (
        repository,
        Bind(str(settled), f"{GIT}/config", read_only=True),
        Bind(str(link), inside, read_only=True),
    )


def identity_binds(
    engine: Engine,
    image: ArchivedImage,
    image_id: str,
    data: Path,
    run: str,
    user: tuple[int, int],
    shell: tuple[str, ...],
) -> tuple[Bind, ...]:
    """passwd, group and gitconfig of the image with what the task's user needs.

    Raises ImageMissing where the engine doesn't have the image and nothing is known of it yet.
    """
    known = _image_files(engine, image, image_id, data, run)
    uid, gid = user
    texts = {
        "/etc/passwd": identity.passwd(known.passwd, uid, gid, shell[0]),
        "/etc/group": identity.group(known.group, gid),
        "/etc/gitconfig": identity.gitconfig(known.gitconfig),
    }
    return tuple(Bind(str(kept_file(data, text)), target, read_only=True) for target, text in texts.items())


def kept_file(data: Path, text: str) -> Path:
    """A file of buildbox's own with this content, named by its hash. Raises ArchiveError."""
    content = text.encode(errors="surrogateescape")
    path = data / "files" / Digest.of(content).hex
    try:
        if path.read_bytes() == content:
            return path
    except OSError:
        pass
    _write(path, content)
    return path


def proxies(env: Mapping[str, str]) -> dict[str, str]:
    """The caller's proxy settings, in the spelling that the caller uses."""
    names = (*_PROXIES, *(name.upper() for name in _PROXIES))
    return {name: env[name] for name in names if env.get(name)}


def ca_bundle(env: Mapping[str, str]) -> str | None:
    """The file with the certificates that this machine trusts."""
    for path in (env.get("SSL_CERT_FILE"), *_CA_BUNDLES):
        if path and os.path.isfile(path):  # noqa: PTH113 (on the way of every run: no Path needed)
            return os.path.realpath(path)
    return None


def _image_files(engine: Engine, image: ArchivedImage, image_id: str, data: Path, run: str) -> ImageFiles:
    """The image's own files: asked of the engine once for each image, then known."""
    path = data / "facts" / f"{image.config.digest.hex}.json"
    try:
        return ImageFiles(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        pass
    probe = ContainerSpec(image_id, ("true",), (), "/", "0:0", labels=((RUN_LABEL, run),))
    container = engine.create(probe)
    try:
        texts = {
            name: (engine.read_file(container, f"/etc/{name}") or b"").decode(errors="surrogateescape")
            for name in ("passwd", "group", "gitconfig")
        }
    finally:
        engine.remove(container)
    _write(path, json.dumps(texts).encode())
    return ImageFiles(**texts)


def _write(path: Path, content: bytes) -> None:
    """Writes a small file, at once whole, readable by the users that tasks run as."""
    beside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")  # other threads may do the same
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # a git configuration may hold secrets
        beside.write_bytes(content)
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ArchiveError(
            f"{path} can't be written: {error.strerror}",
            "buildbox keeps files of its own there; BUILDBOX_HOME names another folder.",
        ) from None
