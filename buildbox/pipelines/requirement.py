"""What pip is to install in a pipeline, so that it gets this buildbox and nobody else's of that name."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from buildbox.errors import UsageError

_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_FILE = re.compile(r".+\.(whl|tar\.gz|zip)")
_WAYS = """\
Say where pipelines get it:
--requirement 'git+https://github.com/OWNER/buildbox@COMMIT'   a repository, at a commit
--requirement ci/buildbox-VERSION-py3-none-any.whl             a wheel in the project's repository
--requirement https://HOST/PATH/buildbox-VERSION-py3-none-any.whl#sha256=DIGEST"""


def given_requirement(text: str) -> str:
    """`text`, if it says where buildbox is from. Raises UsageError for what an index would be asked for."""
    address = text.partition("@")[2].strip() if re.match(r"buildbox\s*@", text) else text
    if not text.isprintable() or text.startswith("-") or not text.strip():
        raise UsageError(f"--requirement {text!r} is nothing that pip installs", _WAYS)
    if "://" in address and (scheme := urlsplit(address).scheme):
        if scheme.endswith(("http", "https")) and "@" in urlsplit(address).netloc:
            raise UsageError(
                "--requirement has a login in it, which would be in the file for all to read",
                "Leave it out: pip finds logins in ~/.netrc. Or have a wheel in the project's repository.",
            )
        return text
    if _FILE.fullmatch(address) or address.startswith(("./", "../", "/")):
        return text
    raise UsageError(
        f"--requirement {text}: pip would ask an index for that name, where anybody may have taken it", _WAYS
    )


def own_requirement(direct_url: str | None) -> str:
    """Where this buildbox was installed from, by its `direct_url.json` (PEP 610, "Specification").

    Raises UsageError where that is no place that others reach, with the ways to name one.
    """
    try:
        told: dict[str, Any] = json.loads(direct_url or "{}")
        url = str(told.get("url", ""))
        vcs = told.get("vcs_info") or {}
        commit = str(vcs.get("commit_id", ""))
        hashes = (told.get("archive_info") or {}).get("hashes") or {}
        subdirectory = told.get("subdirectory")
    except (ValueError, AttributeError):
        url, vcs, commit, hashes, subdirectory = "", {}, "", {}, None
    parts = urlsplit(url)
    public = parts.scheme in ("https", "ssh") and bool(parts.hostname) and parts.password is None
    if public and url.isprintable() and vcs.get("vcs") == "git" and _COMMIT.fullmatch(commit):
        return f"git+{url}@{commit}" + (f"#subdirectory={subdirectory}" if subdirectory else "")
    if public and url.isprintable() and isinstance(hashes, dict) and hashes.get("sha256"):
        return f"{parts._replace(fragment='').geturl()}#sha256={hashes['sha256']}"
    raise UsageError(
        "this buildbox was installed from a place that a CI runner can't reach, and no index has it", _WAYS
    )
