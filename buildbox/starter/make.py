"""C and C++ projects (CMake, make), and others that only a Makefile speaks of."""

from __future__ import annotations

import re

from buildbox.starter.folder import Folder
from buildbox.starter.parts import OWN, PREPARE, Job, Part

GCC_VERSION = "12"
_BUILD = f"{OWN}/cmake"
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # in make's own order
_SOURCE = r".*\.(c|cc|cpp|cxx)"
_COMPILES = re.compile(r"\$[({](CC|CXX)[)}]|\b(gcc|g\+\+|clang|cc)\s|\.o\b")
_DOWNLOADS = re.compile(r"\b(FetchContent_\w+|ExternalProject_Add|CPMAddPackage)\b", re.IGNORECASE)
_RULE = re.compile(r"^([A-Za-z0-9_.-]+(?:[ \t]+[A-Za-z0-9_.-]+)*)[ \t]*::?(?!=)", re.MULTILINE)


def cmake(folder: Folder) -> Part | None:
    """The part for a CMake project; None where there is none."""
    if "CMakeLists.txt" not in folder.files:
        return None
    downloads = _DOWNLOADS.search(folder.text("CMakeLists.txt"))
    disconnected = " -DFETCHCONTENT_FULLY_DISCONNECTED=ON" if downloads else ""
    make = f"cmake -S . -B {_BUILD}{disconnected}\ncmake --build {_BUILD} --parallel"
    test = f'ctest --test-dir {_BUILD} --output-on-failure "$@"'
    jobs = [
        Job("test", "Build, and run the tests", run=f"{PREPARE}\n{make}\n{test}"),
        Job("build", f"Build into {_BUILD}", run=f'{PREPARE}\n{make} "$@"'),
    ]
    if downloads:
        configure = f"{PREPARE}\ncmake -S . -B {_BUILD}"
        jobs.insert(
            0,
            Job("deps", f"Download what the project needs into {_BUILD}", run=configure, networked=True),
        )
    return Part("gcc", GCC_VERSION, "CMakeLists.txt", "gcc, g++, make and cmake", tuple(jobs))


def make(folder: Folder, alone: bool) -> Part | None:
    """The part for a project that is built by a Makefile; None where there is none.

    `alone`: nothing else was recognised. Otherwise a Makefile counts only where it compiles C or C++:
    many projects of other kinds have one as a collection of short cuts.
    """
    name = folder.first(*_MAKEFILES)
    if name is None:
        return None
    text = folder.text(name)
    if not alone and not (folder.any(_SOURCE) and _COMPILES.search(text)):
        return None
    targets = {target for match in _RULE.finditer(text) for target in match[1].split()}
    test = next((target for target in ("test", "check", "tests") if target in targets), None)
    jobs = [
        Job("test", "Run the tests", ("make", test))
        if test
        else Job("test", "Build the project", ("make",), comment=f"{name} has no target test or check."),
        Job("build", "Build the project", ("make",)),
    ]
    if "lint" in targets:
        jobs.insert(1, Job("lint", "Static checks", ("make", "lint")))
    notes = (
        () if folder.any(_SOURCE) else ("make may need other tools than a C compiler: pin what has them.",)
    )
    return Part("gcc", GCC_VERSION, name, "gcc, g++ and make", tuple(jobs), notes=notes)
