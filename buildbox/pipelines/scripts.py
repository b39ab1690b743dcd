"""What the shells of CI runners are told; the same for all systems as far as it can be.

Nothing of a project's file is in these lines but names that can't mean anything to a shell, and quoted words.
What may be set from outside comes as variables: BUILDBOX_REQUIREMENT, BUILDBOX_ARCHIVE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from shlex import quote

from buildbox.archive import hints, marks
from buildbox.digest import Digest
from buildbox.pipelines.jobs import Job
from buildbox.tasks.beside import statement_patterns

_UNUSUAL = re.compile(r"[^A-Za-z0-9._/*?+@=-]+")
_LONGEST_KEY = 100

SETTINGS = """\
if [ -n "$BUILDBOX_ARCHIVE" ]; then
  printf '[archive]\\nremote = "%s"\\nresults = "%s"\\n' "$BUILDBOX_ARCHIVE" "$RESULTS" \\
    > "$BUILDBOX_HOME/config.toml"
fi
"""


def login(folder: str, then: str) -> str:
    """Lines that write what `docker login` would, in `folder`: runners needn't have a docker client.

    `then` makes DOCKER_CONFIG known to what follows. Without a password there is nothing to write, and the
    runner's own logins count.
    """
    return f"""\
if [ -n "$BUILDBOX_ARCHIVE" ] && [ -n "$REGISTRY_PASSWORD" ]; then
  mkdir -p -m 700 "{folder}"
  login=$(printf '%s:%s' "$REGISTRY_USER" "$REGISTRY_PASSWORD" | base64 | tr -d '\\n')
  printf '{{"auths": {{"%s": {{"auth": "%s"}}}}}}\\n' "${{BUILDBOX_ARCHIVE%%/*}}" "$login" \\
    > "{folder}/config.json"
  {then}
fi
"""


def images_key(job: Job) -> str:
    """What a cache of the job's images is called, beside the digest of the project's file."""
    names = "-".join(job.images)
    return names if len(names) <= _LONGEST_KEY else Digest.of(names.encode()).hex[:32]


def bring_images(job: Job) -> str:
    """Lines that bring the images of `job` into the archive of the runner, which a cache may have filled.

    An image from there is proven by its digest. A result would have to be believed, so none counts.
    Those of the catalogue are in no registry but the remote archive; else their recipes make them.
    """
    lines = [f'rm -rf "$BUILDBOX_HOME/archive/{hints.FOLDER}" "$BUILDBOX_HOME/archive/{marks.FOLDER}"']
    others = [title for title in job.images if title not in job.recipes]
    if others:
        lines.append(f"buildbox archive save {' '.join(others)}")
    for title, recipe in job.recipes.items():
        lines += [
            f"buildbox --quiet --offline archive save {title} 2> /dev/null ||",
            f'  {{ [ -n "$BUILDBOX_ARCHIVE" ] && buildbox archive pull {title}; }} ||',
            f"  buildbox images build {quote(recipe)}",
        ]
    return "\n".join(lines) + "\n"


def run_line(job: Job, words: Sequence[str], junit: str) -> str:
    """The line that runs the tasks of `job`, with `words` as options; `junit` as the shell has it.

    Of a job with variants, VARIANT says which.
    """
    options = [*words, *(["--provenance"] if job.provenance else [])]
    options += ["--keep-going"] if len(job.addresses) > 1 else []
    options += [word for option in job.allow for word in ("--allow", quote(option))]
    tasks = [f'"{job.addresses[0]}[$VARIANT]"'] if job.variants else list(map(quote, job.addresses))
    return " ".join(["buildbox run", *options, f'--junit "{junit}"', *tasks]) + "\n"


def artifact_globs(outputs: Sequence[str]) -> list[str]:
    """Globs that match all that patterns of outputs match, and the statements beside it.

    What a CI system could take for something else is a wildcard; what patterns take away isn't taken away.
    """
    patterns = [pattern for pattern in outputs if not pattern.startswith("!")]
    patterns += statement_patterns(outputs)
    return list(dict.fromkeys(_UNUSUAL.sub("*", pattern.rstrip("/")) or "*" for pattern in patterns))
