from __future__ import annotations

import pytest

from buildbox.identity import gitconfig, group, passwd

IMAGE = "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\n"


def by_uid(text: str, uid: int) -> list[str]:
    """The entry that getpwuid(3) finds: the first."""
    return next(line.split(":") for line in text.splitlines() if line.split(":")[2] == str(uid))


def names(text: str) -> list[str]:
    return [line.split(":")[0] for line in text.splitlines()]


@pytest.mark.parametrize("uid", [0, 1000, 4242, 4294967294])
def test_any_uid_is_build(uid: int) -> None:
    entry = by_uid(passwd(IMAGE, uid, 77, "/bin/sh"), uid)
    assert entry == ["build", "x", str(uid), "77", "buildbox", "/home/build", "/bin/sh"]


def test_the_images_own_users_stay() -> None:
    assert names(passwd(IMAGE, 1000, 1000, "/bin/sh")) == ["build", "root", "node"]
    assert passwd(IMAGE, 5, 5, "/bin/sh").endswith(IMAGE)


def test_an_entry_of_the_same_name_gives_way() -> None:
    text = passwd(
        IMAGE + "build:x:999:999:other:/other:/bin/false\nbuilder:x:998:998::/:/bin/sh\n", 5, 5, "/bin/sh"
    )
    assert names(text) == ["build", "root", "node", "builder"]
    assert by_uid(text, 5)[5] == "/home/build"


def test_an_image_without_the_files() -> None:
    assert passwd("", 5, 6, "/bin/sh") == "build:x:5:6:buildbox:/home/build:/bin/sh\n"
    assert group("", 6) == "build:x:6:\n"


def test_files_without_a_last_newline_or_with_empty_lines() -> None:
    assert names(passwd("root:x:0:0:::\n\nx:x:1:1:::", 5, 5, "/bin/sh")) == ["build", "root", "x"]


@pytest.mark.parametrize(
    ("shell", "login"), [("/bin/bash", "/bin/bash"), ("bash", "/bin/sh"), ("python3", "/bin/sh")]
)
def test_the_login_shell_is_the_toolchains_where_its_place_is_known(shell: str, login: str) -> None:
    assert by_uid(passwd(IMAGE, 5, 5, shell), 5)[6] == login


@pytest.mark.parametrize("gid", [0, 33, 4242])
def test_any_gid_is_build(gid: int) -> None:
    text = group("root:x:0:\nwww-data:x:33:someone\nbuild:x:9:\n", gid)
    assert by_uid(text, gid)[0] == "build"
    assert names(text) == ["build", "root", "www-data"]


def test_git_trusts_the_sources_and_keeps_the_images_settings() -> None:
    assert gitconfig("") == "[safe]\n\tdirectory = *\n"
    assert gitconfig("[user]\n\tname = x") == "[user]\n\tname = x\n[safe]\n\tdirectory = *\n"
