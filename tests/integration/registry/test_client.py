"""The client against a real registry."""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import Exit, ImageError
from buildbox.oci import OCI_INDEX, OCI_MANIFEST, Descriptor
from buildbox.registry.client import Registry
from buildbox.registry.credentials import DockerLogins, Login
from tests.support import registry as support
from tests.support.faulty import only, run_faulty, status
from tests.support.images import AMD64, ARM64, make_image, make_index
from tests.support.registry import PASSWORD, USER, RealRegistry

NOWHERE = Digest.of(b"nothing has this")


def test_a_tag_of_one_platform_resolves_to_its_manifest(real_registry: RealRegistry) -> None:
    image = make_image()
    real_registry.push(image, "tools/one", "1.0")
    client = Registry(real_registry.host)
    assert client.resolve("tools/one", "1.0") == image.digest
    fetched = client.manifest("tools/one", image.digest)
    assert (fetched.media_type, fetched.digest) == (OCI_MANIFEST, image.digest)
    assert fetched.data == image.manifests[image.digest][1]


def test_a_multi_platform_tag_resolves_to_the_index(real_registry: RealRegistry) -> None:
    index = make_index(make_image(platform=AMD64), make_image(platform=ARM64))
    real_registry.push(index, "tools/many", "1.0")
    client = Registry(real_registry.host)
    assert client.resolve("tools/many", "1.0") == index.digest
    assert client.manifest("tools/many", "1.0").media_type == OCI_INDEX


def test_a_blob_from_the_middle(real_registry: RealRegistry) -> None:
    image = make_image({"big": os.urandom(300_000)})
    real_registry.push(image, "tools/blob", "1")
    layer = image.layers()[0]
    data = image.blobs[layer]
    client = Registry(real_registry.host)
    descriptor = Descriptor("x", layer, len(data))
    assert b"".join(client.blob("tools/blob", descriptor)) == data
    assert b"".join(client.blob("tools/blob", descriptor, 123_456)) == data[123_456:]


@pytest.mark.parametrize("reference", ["9.9", NOWHERE])
def test_what_is_not_there_is_said(real_registry: RealRegistry, reference: str | Digest) -> None:
    real_registry.push(make_image(), "tools/lacking", "1")
    with pytest.raises(ImageError) as caught:
        Registry(real_registry.host).manifest("tools/lacking", reference)
    assert caught.value.exit == Exit.IMAGE
    assert str(reference) in caught.value.reason
    assert real_registry.host in caught.value.reason


def test_a_login_is_needed_and_named(login_registry: RealRegistry) -> None:
    with pytest.raises(ImageError) as caught:
        Registry(login_registry.host).resolve("tools/private", "1")
    assert f"docker login {login_registry.host}" in caught.value.hint


def test_a_wrong_password_is_refused(login_registry: RealRegistry) -> None:
    with pytest.raises(ImageError, match="401"):
        Registry(login_registry.host, lambda _: Login(USER, "wrong")).resolve("tools/private", "1")


def test_the_login_in_the_docker_configuration(login_registry: RealRegistry, tmp_path: Path) -> None:
    image = make_image()
    login_registry.push(image, "tools/private", "1")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {login_registry.host: {"auth": auth}}}))
    logins = DockerLogins({"DOCKER_CONFIG": str(tmp_path)})
    assert Registry(login_registry.host, logins).resolve("tools/private", "1") == image.digest


@pytest.mark.parametrize("key", ["credsStore", "credHelpers"])
def test_a_login_from_a_credential_helper(login_registry: RealRegistry, tmp_path: Path, key: str) -> None:
    image = make_image()
    login_registry.push(image, "tools/private", "1")
    answer = json.dumps({"ServerURL": "x", "Username": USER, "Secret": PASSWORD})
    helper = tmp_path / "bin" / "docker-credential-mine"
    helper.parent.mkdir()
    helper.write_text(
        f"#!/bin/sh\nread server\necho \"$1 $server $HINT\" >> {tmp_path}/calls\nprintf '%s' '{answer}'\n"
    )
    helper.chmod(0o755)
    settings = (
        {"credsStore": "mine"} if key == "credsStore" else {"credHelpers": {login_registry.host: "mine"}}
    )
    (tmp_path / "config.json").write_text(json.dumps(settings))
    env = {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{helper.parent}:/usr/bin:/bin", "HINT": "seen"}
    assert Registry(login_registry.host, DockerLogins(env)).resolve("tools/private", "1") == image.digest
    assert (tmp_path / "calls").read_text() == f"get {login_registry.host} seen\n"


def test_tls_needs_a_known_authority(tmp_path: Path) -> None:
    image = make_image()
    with support.serve(tmp_path / "registry", tls=True) as registry:
        registry.push(image, "tools/tls", "1")
        with pytest.raises(ImageError, match="certificate") as caught:
            Registry(registry.host, certificates=tmp_path).resolve("tools/tls", "1")
        assert f"{registry.host}/ca.crt" in caught.value.hint
        (tmp_path / registry.host).mkdir()
        (tmp_path / registry.host / "ca.crt").write_bytes((tmp_path / "registry" / "ca.crt").read_bytes())
        assert Registry(registry.host, certificates=tmp_path).resolve("tools/tls", "1") == image.digest
        env = {"SSL_CERT_FILE": str(tmp_path / "registry" / "ca.crt")}
        assert Registry(registry.host, env=env).resolve("tools/tls", "1") == image.digest


def test_an_unreachable_registry_is_said() -> None:
    with pytest.raises(ImageError, match=r"127.0.0.1:1 can't be reached: .*refused"):
        Registry("127.0.0.1:1", pause=0.01).resolve("x", "1")


def test_a_host_that_does_not_exist_is_said() -> None:
    with pytest.raises(ImageError, match=r"registry.invalid can't be reached"):
        Registry("registry.invalid", pause=0.01).resolve("x", "1")


def test_a_proxy_is_used_where_the_environment_names_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        asked: list[bytes] = []

        def serve() -> None:
            for _ in range(2):  # the client tries twice
                connection, _ = proxy.accept()
                with connection:
                    asked.append(connection.recv(1000))
                    connection.sendall(b"HTTP/1.1 502 No\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        env = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.getsockname()[1]}"}
        with pytest.raises(ImageError, match=r"registry\.example can't be reached"):
            Registry("registry.example", env=env, pause=0.01).resolve("x", "1")
        thread.join(5)
    assert asked[0].startswith(b"CONNECT registry.example:443 ")


def test_only_a_registry_whose_user_says_so_is_asked_without_tls_elsewhere() -> None:
    """By way of a proxy, so that it needs no other machine."""
    image, host = make_image(), "registry.example.com:5000"
    with run_faulty(image) as other:
        env = {"http_proxy": f"http://{other.host}", "https_proxy": f"http://{other.host}"}
        found = Registry(host, env=env, pause=0.001, plain=True).manifest("a/b", image.digest)
        assert found.digest == image.digest
        assert [asked.path for asked in other.asked] == [f"http://{host}/v2/a/b/manifests/{image.digest}"]
        with pytest.raises(ImageError, match="can't be reached"):
            Registry(host, env=env, pause=0.001).manifest("a/b", image.digest)
        assert len(other.asked) == 1


def test_such_a_registry_may_redirect_to_itself_and_to_no_other_place_without_tls() -> None:
    image, host = make_image(), "registry.example.com:5000"
    here = f"http://{host}/v2/c/d/manifests/{image.digest}"
    with run_faulty(image) as other:
        env = {"http_proxy": f"http://{other.host}"}
        registry = Registry(host, env=env, pause=0.001, plain=True)
        other.rules = [only("/a/b/", status(307, Location=here))]
        assert registry.manifest("a/b", image.digest).digest == image.digest
        other.rules = [only("/a/b/", status(307, Location=here.replace(":5000", "")))]
        with pytest.raises(ImageError, match="not a safe place"):
            registry.manifest("a/b", image.digest)
