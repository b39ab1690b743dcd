"""Java projects: Maven, Gradle, or sources alone."""

from __future__ import annotations

import re

from buildbox.starter.folder import Folder
from buildbox.starter.parts import OWN, PREPARE, Job, Part, fitting

VERSIONS = ("17", "21")
_CLASSES = f"{OWN}/classes"
_RELEASE = re.compile(
    r"<(?:maven\.compiler\.(?:release|source|target)|java\.version|release)>\s*(\d+)\s*<"
    r"|JavaLanguageVersion\.of\((\d+)\)"
)
# Neither tool can be told to download everything that a test will load, so the tests themselves are run once.
_ONCE = "{tool} downloads as it goes: this runs everything once with a network, so that later runs need none."


def java(folder: Folder) -> Part | None:
    """The part for a Java project; None where there is none."""
    name = folder.first("pom.xml", "build.gradle", "build.gradle.kts")
    if name is None:
        return _plain(folder) if folder.any(r".*\.java") else None
    wanted = _RELEASE.search(folder.text(name))
    version, notes = fitting(name, (wanted[1] or wanted[2]) if wanted else None, VERSIONS)
    if name == "pom.xml":
        return _maven(version, notes)
    return _gradle(version, name, "gradlew" in folder.files, notes)


def _maven(version: str, notes: tuple[str, ...]) -> Part:
    local = f"/src/{OWN}/m2"
    jobs = (
        Job(
            "deps",
            f"Download plugins and libraries into {OWN}/m2",
            run=f"{PREPARE}\nmvn -B -Dmaven.test.failure.ignore package",
            networked=True,
            comment=_ONCE.format(tool="Maven"),
        ),
        Job("test", "Run the tests", ("mvn", "-B", "-o", "test")),
        Job("build", "Package into target/", ("mvn", "-B", "-o", "-DskipTests", "package")),
    )
    env = {"MAVEN_OPTS": f"-Dmaven.repo.local={local}"}
    return Part("java", version, "pom.xml", "a JDK and Maven", jobs, env=env, notes=notes)


def _gradle(version: str, name: str, wrapped: bool, notes: tuple[str, ...]) -> Part:
    tool = ("sh", "gradlew", "--no-daemon") if wrapped else ("gradle", "--no-daemon")
    jobs = (
        Job(
            "deps",
            f"Download plugins and libraries into {OWN}/gradle",
            run=f"{PREPARE}\n{' '.join(tool)} build --continue",
            networked=True,
            comment=_ONCE.format(tool="Gradle"),
        ),
        Job("test", "Run the tests", (*tool, "--offline", "test")),
        Job("build", "Build into build/", (*tool, "--offline", "assemble")),
    )
    env = {"GRADLE_USER_HOME": f"/src/{OWN}/gradle"}
    tools = "a JDK" if wrapped else "a JDK and Gradle"
    if not wrapped:
        notes += ("There is no gradlew, and no Gradle in this: make one, or pin an image that has Gradle.",)
    return Part("java", version, name, tools, jobs, env=env, notes=notes)


def _plain(folder: Folder) -> Part:
    """Sources without a build tool: what can be said of them is whether they compile."""
    find = "find . -name '*.java' -not -path './.*' > /tmp/sources"
    jobs = (
        Job(
            "test",
            "Compile everything",
            run=f'{PREPARE}\n{find}\njavac -Xlint -d {_CLASSES} "$@" @/tmp/sources',
            comment="No build tool was found (pom.xml, build.gradle): this only compiles.",
        ),
    )
    return Part("java", VERSIONS[0], "*.java", "a JDK", jobs)
