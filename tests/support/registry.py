"""A real registry (Debian's docker-registry) on a free port of this machine, and a way to push into it."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests

from tests.support.images import MadeImage

USER, PASSWORD = "tester", "open sesame"
# bcrypt of PASSWORD at cost 4: the registry takes no other kind of hash
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n"


@dataclass(frozen=True)
class RealRegistry:
    """A running registry."""

    host: str  # 127.0.0.1:port
    root: Path  # its files
    scheme: str = "http"
    auth: tuple[str, str] | None = None
    verify: str | None = None  # certificate of its authority

    def push(self, image: MadeImage, repository: str, tag: str) -> None:
        """Pushes everything of `image`; the top gets `tag` (distribution-spec, section "Push")."""
        with requests.Session() as session:
            session.trust_env = False
            session.auth = self.auth
            session.verify = self.verify or True
            base = f"{self.scheme}://{self.host}/v2/{repository}"
            for digest, data in image.blobs.items():
                opened = session.post(f"{base}/blobs/uploads/")
                opened.raise_for_status()
                where = urljoin(base, opened.headers["Location"])
                session.put(
                    where,
                    params={"digest": str(digest)},
                    data=data,
                    headers={"Content-Type": "application/octet-stream"},
                ).raise_for_status()
            for digest, (media_type, data) in image.manifests.items():
                name = tag if digest == image.digest else str(digest)
                session.put(
                    f"{base}/manifests/{name}", data=data, headers={"Content-Type": media_type}
                ).raise_for_status()

    def pull_ref(self, repository: str, image: MadeImage, tag: str = "1") -> str:
        return f"{self.host}/{repository}:{tag}@{image.digest}"


@contextmanager
def serve(
    folder: Path, *, login: bool = False, tls: bool = False, read_only: bool = False
) -> Iterator[RealRegistry]:
    """Runs a registry with its files in `folder` until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    settings = [
        "version: 0.1",
        "log: {level: error}",
        "storage:",
        f"  filesystem: {{rootdirectory: {folder / 'data'}}}",
        "  delete: {enabled: true}",
        f"  maintenance: {{readonly: {{enabled: {str(read_only).lower()}}}}}",
        "http:",
        f"  addr: 127.0.0.1:{port}",
    ]
    if tls:
        make_certificate(folder)
        settings.append(f"  tls: {{certificate: {folder / 'ca.crt'}, key: {folder / 'key.pem'}}}")
    if login:
        (folder / "htpasswd").write_text(_HTPASSWD)
        settings += ["auth:", f"  htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}"]
    (folder / "config.yml").write_text("\n".join(settings) + "\n")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        registry = RealRegistry(
            f"127.0.0.1:{port}",
            folder / "data",
            "https" if tls else "http",
            (USER, PASSWORD) if login else None,
            str(folder / "ca.crt") if tls else None,
        )
        _wait(registry, process, folder / "log")
        yield registry
    finally:
        process.terminate()
        process.wait(10)


def make_certificate(folder: Path) -> None:
    """A self-signed certificate `ca.crt` and its `key.pem` for 127.0.0.1 in `folder`."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.crt")]
    subprocess.run(command, check=True, capture_output=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait(registry: RealRegistry, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.get(
                    f"{registry.scheme}://{registry.host}/v2/", verify=registry.verify or True, timeout=5
                )
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError(f"docker-registry didn't start: {log.read_text()[-2000:]}")
