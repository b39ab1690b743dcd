from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.config.user import (
    Allowance,
    ArchiveSettings,
    ImageMaking,
    ProvenanceSettings,
    SecretSource,
    load_user,
)
from buildbox.errors import ConfigError, UsageError
from buildbox.reference import ImageRef
from tests.support.values import PIN


def test_without_a_file_nothing_is_allowed(tmp_path: Path) -> None:
    user = load_user(tmp_path / "none" / "config.toml", tmp_path)
    assert user.allowance(tmp_path) == Allowance()
    (tmp_path / "file").touch()
    user = load_user(tmp_path / "file" / "config.toml", tmp_path)
    assert user.allowance(tmp_path) == Allowance()
    assert user.signing_key == tmp_path / "file" / "signing.key"


def test_every_key_is_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "project").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    path = tmp_path / "config.toml"
    path.write_text(f"""
[allow."{home}/project"]
mounts = ["{tmp_path}/link", "~/.m2", "/not/there"]
network = ["host", "mynet"]
env = ["NPM_TOKEN"]
root = true
git = true
snapshot = ["https://snapshot.example.com/{{time}}/"]
secrets = {{ TOKEN = {{ file = "~/.token" }}, OTHER = {{ command = ["pass", "show", "x"] }} }}
[allow."~/other/"]
root = true
[images]
mirrors = ["https://mirror.example.com/debian", "file:/srv/debian/"]
builder = "{PIN}"
[archive]
path = "~/kept"
remote = "registry.example.com/team/archive/"
max-size = "50GB"
results = "push"
plain-http = ["10.0.0.5:5000", "[fd00::1]:5000"]
[archive.mirrors]
"docker.io" = ["mirror.example.com", "10.0.0.5:5000/hub/"]
[provenance]
key = "~/keys/mine"
keys = ["~/keys/mine.pub", "{tmp_path}/link/ci.pub"]
""")
    user = load_user(path, home)
    assert user.allowance(home / "project") == Allowance(
        mounts=(tmp_path / "data", home / ".m2", Path("/not/there")),
        networks=frozenset({"host", "mynet"}),
        root=True,
        git=True,
        env=frozenset({"NPM_TOKEN"}),
        snapshots=frozenset({"https://snapshot.example.com/{time}/"}),
        secrets={
            "TOKEN": SecretSource(file=home / ".token"),
            "OTHER": SecretSource(command=("pass", "show", "x")),
        },
    )
    assert user.allowance(home / "other") == Allowance(root=True)
    mirrors = ("https://mirror.example.com/debian/", "file:/srv/debian/")
    assert user.images == ImageMaking(mirrors, ImageRef.parse(PIN))
    assert user.archive == ArchiveSettings(
        path=home / "kept",
        remote="registry.example.com/team/archive",
        mirrors={"docker.io": ("mirror.example.com", "10.0.0.5:5000/hub")},
        max_size=50 << 30,
        plain_http=("10.0.0.5:5000", "[fd00::1]:5000"),
        results="push",
    )
    keys = (home / "keys" / "mine.pub", tmp_path / "data" / "ci.pub")
    assert user.provenance == ProvenanceSettings(home / "keys" / "mine", keys)
    assert user.signing_key == home / "keys" / "mine"


def test_a_folder_is_itself_under_any_name_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "project" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("project")
    path = tmp_path / "config.toml"
    path.write_text(f'[allow."{tmp_path}/link"]\nroot = true\n')
    user = load_user(path, tmp_path)
    assert user.allowance(tmp_path / "project").root
    assert user.allowance(tmp_path / "link").root
    assert user.allowance(tmp_path / "link" / "sub" / "..").root
    for other in ("project/sub", ".", "project2", "PROJECT"):
        assert user.allowance(tmp_path / other) == Allowance()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[alow]", "1: alow: unknown key 'alow'; did you mean 'allow'?"),
        ('[allow."/p"]\nmount = []', "2: allow.\"/p\".mount: unknown key 'mount'; did you mean 'mounts'?"),
        ('[allow."/p"]\nroot = 1', '2: allow."/p".root: must be true or false, not an integer'),
        ('[allow."/p"]\nmounts = "/x"', '2: allow."/p".mounts: must be an array, not a string'),
        ("[allow]\nroot = true", "2: allow.root: must be a table, not a boolean"),
        ('[allow."p"]', "1: allow.p: 'p' is not an absolute path (nor one that starts with ~/)"),
        (
            '[allow."/p"]\nmounts = [\n"/x",\n"y"]',
            "4: allow.\"/p\".mounts[1]: 'y' is not an absolute path (nor one that starts with ~/)",
        ),
        (
            '[allow."/nowhere/*"]',
            "1: allow.\"/nowhere/*\": '/nowhere/*': patterns are not understood here; name each folder",
        ),
        ('[allow."/p"]\n[allow."/p/"]', '2: allow."/p/": is the same folder as another one here: /p'),
        ('[allow."/p"]\nnetwork = ["-x"]', "2: allow.\"/p\".network[0]: '-x' is not a network"),
        ('[images]\nmirrors = ["mirror.example.com"]', "2: images.mirrors[0]: 'mirror.example.com' is not"),
        ('[images]\nmirrors = ["https:// a/"]', "2: images.mirrors[0]: 'https:// a/' is not an address"),
        ('[images]\nbuilder = "builder:12"', "2: images.builder: 'builder:12' has no digest"),
        ("[images]\nmirror = []", "2: images.mirror: unknown key 'mirror'; did you mean 'mirrors'?"),
        ('[allow."/p"]\nsnapshot = ["ftp://x"]', "2: allow.\"/p\".snapshot[0]: 'ftp://x' is not an address"),
        ('[provenance]\nkey = "mine"', "2: provenance.key: 'mine' is not an absolute path"),
        ('[provenance]\nkeys = ["/x", "y"]', "2: provenance.keys[1]: 'y' is not an absolute path"),
        ('[provenance]\nkeys = "/x"', "2: provenance.keys: must be an array, not a string"),
        ('[archive]\npath = "kept"', "2: archive.path: 'kept' is not an absolute path"),
        (
            '[archive]\nremote = "https://a.example/b"',
            "2: archive.remote: 'https://a.example/b': a registry is",
        ),
        (
            '[archive]\nremote = "a.example"',
            "2: archive.remote: 'a.example' names no path in the registry; e.g.",
        ),
        ('[archive]\nremote = "team/archive"', "2: archive.remote: 'team' is not a registry's host"),
        ('[archive]\nremote = "a.example/b:1"', "2: archive.remote: 'a.example/b:1' has a tag or a digest"),
        (
            '[archive]\nremote = "a.example/B"',
            "2: archive.remote: 'B' in 'a.example/B': repository names are lower-case",
        ),
        ('[archive]\nplain-http = ["http://a.example"]', "2: archive.plain-http[0]: 'http://a.example': a"),
        (
            '[archive]\nplain-http = ["a.example/x"]',
            "2: archive.plain-http[0]: 'a.example/x' is not a registry",
        ),
        ('[archive]\nmax-size = "0"', "2: archive.max-size: '0': a size is more than nothing"),
        ("[archive]\nmax-size = 5", "2: archive.max-size: must be a string, not an integer; write"),
        ('[archive]\nmirror = ""', "2: archive.mirror: unknown key 'mirror'; did you mean 'mirrors'?"),
        ('[archive]\nmirrors = ["a.example"]', "2: archive.mirrors: must be a table, not an array; e.g."),
        (
            '[archive]\nplain-http = ["index.docker.io"]',
            "2: archive.plain-http[0]: 'index.docker.io' is not a registry's host",
        ),
        (
            '[archive.mirrors]\n"x" = []',
            "2: archive.mirrors.x: 'x' is not a registry's host (host[:port])",
        ),
        (
            '[archive.mirrors]\n"docker.io" = ["m"]',
            "2: archive.mirrors.\"docker.io\"[0]: 'm' is not a registry",
        ),
        ('[archive]\nresults = "on"', "2: archive.results: 'on' is neither off, pull nor push"),
        (
            '[allow."/p".secrets]\nT = { file = "~/t", command = ["x"] }',
            '2: allow."/p".secrets.T: has both file and command; keep one',
        ),
        (
            '[allow."/p".secrets]\nT = {}',
            '2: allow."/p".secrets.T: names neither a file nor a command',
        ),
        ('[allow."/p".secrets]\nT = "x"', '2: allow."/p".secrets.T: must be a table, not a string; e.g.'),
        (
            '[allow."/p".secrets]\nT = { command = [""] }',
            '2: allow."/p".secrets.T.command[0]: is empty; it is the program to run',
        ),
        (
            '[allow."/p".secrets]\nT = { file = "t" }',
            "2: allow.\"/p\".secrets.T.file: 't' is not an absolute",
        ),
        ('[allow."/p".secrets]\n"T-X" = {}', "2: allow.\"/p\".secrets.T-X: 'T-X' is not a variable's name"),
        ("x", "1:2: not valid TOML: Expected '=' after a key in a key/value pair"),
    ],
)
def test_a_slip_is_reported_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_user(path, tmp_path)
    assert any(shown.startswith(f"{path}:{problem}") for shown in caught.value.problems), (
        caught.value.problems
    )


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load_user(tmp_path, tmp_path)


def test_options_add_to_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    before = Allowance(mounts=(Path("/x"),), networks=frozenset({"a"}))
    texts = [f"mount={tmp_path}/link", "mount=~/y", "network=host", "env=NPM_TOKEN", "root", "git"]
    texts.append("snapshot=https://snapshot.example.com/{time}/")
    assert before.plus(texts, tmp_path) == Allowance(
        mounts=(Path("/x"), tmp_path / "data", tmp_path / "y"),
        networks=frozenset({"a", "host"}),
        root=True,
        git=True,
        env=frozenset({"NPM_TOKEN"}),
        snapshots=frozenset({"https://snapshot.example.com/{time}/"}),
    )
    assert before.plus([]) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mounts=/x", "did you mean 'mount'"),
        ("networks=host", "did you mean 'network'"),
        ("host", "nothing that can be allowed"),
        ("", "nothing that can be allowed"),
        ("mount", "which mount"),
        ("network=", "which network"),
        ("mount=x", "not an absolute path"),
        ("mount=~/x", "not an absolute path"),
        ("network=container:x", "is not a network"),
        ("env=A=B", "is not a variable's name"),
        ("root=true", "root takes no value"),
        ("snapshot=x", "is not an address"),
        ("git=", "git takes no value"),
    ],
)
def test_options_that_allow_nothing(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Allowance().plus([text])
    assert "mount=/PATH" in caught.value.hint
