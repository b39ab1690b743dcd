"""What holds for each image of the catalogue: its own smoke checks, its size, git."""

from __future__ import annotations

import json

import pytest

from buildbox.recipes.recipe import read_recipe
from tests.integration.catalogue.conftest import MakeProject
from tests.support.catalogue import CATALOGUE, RECIPES, Toolchain, has_git

pytestmark = pytest.mark.timeout(900)  # the first test of a recipe waits for its image
# Documentation, caches, logs, what apt had loaded, and programs that give more rights.
SURPLUS = r"""
find /usr/share/doc -type f ! -name copyright
for folder in /usr/share/man /usr/share/info /var/log /var/cache/apt /var/lib/apt; do
    test ! -d $folder || find $folder -type f ! -path /usr/share/info/dir
done
find / -xdev -type f -perm /6000 2> /tmp/closed || grep -v 'Permission denied' /tmp/closed || :
echo looked
"""
# Of git, all that needs git's own folder of programs: scripts, transports, programs that run git again.
GIT = r"""
export GIT_CONFIG_COUNT=3 \
    GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=me GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=me@host \
    GIT_CONFIG_KEY_2=protocol.file.allow GIT_CONFIG_VALUE_2=always
cd /tmp
git init -q -b main one
cd one
for number in 1 2 3; do echo $number > file-$number; git add .; git commit -q -m $number; done
git tag -a -m tag v1
git checkout -q -b other HEAD~1
echo 4 > file-4
git add .
git commit -q -m 4
git rebase -q main
git checkout -q main
git merge -q --no-ff -m merge other
git format-patch -q -1 HEAD^2 -o /tmp
git reset -q --hard v1
git am -q /tmp/0001-4.patch
echo 5 > file-1
git stash -q
git stash pop -q
git checkout -q .
git gc -q
git fsck
git init -q --bare -b main ../bare
git push -q file:///tmp/bare main --tags
cd ..
git clone -q --depth 2 file:///tmp/bare clone
git -C one submodule --quiet add file:///tmp/bare sub
git -C one commit -q -m sub
git clone -q --recurse-submodules file:///tmp/one whole
test -f whole/sub/file-4
git -C one archive --format=tar.gz HEAD | tar -tzf - file-4
git -C one bundle create -q /tmp/bundle main
git clone -q bundle -b main unbundled
FILTER_BRANCH_SQUELCH_WARNING=1 git -C whole filter-branch -f --msg-filter 'sed s/^/again-/' v1..HEAD
git -C one describe
"""


@pytest.mark.parametrize("recipe", RECIPES)
def test_smoke_checks(recipe: str, toolchain: Toolchain, make_project: MakeProject) -> None:
    checks = dict(read_recipe(CATALOGUE / recipe).smoke)
    assert checks
    project = make_project(toolchain, "".join(_task(name, script, name) for name, script in checks.items()))
    for name in checks:
        (project.root / name).mkdir()
        project.own()
        project.ok("run", name)


@pytest.mark.parametrize("recipe", RECIPES)
def test_nothing_surplus(recipe: str, toolchain: Toolchain, make_project: MakeProject) -> None:
    project = make_project(toolchain, _task("surplus", SURPLUS))
    assert project.ok("run", "surplus") == "looked\n"


@pytest.mark.parametrize("recipe", [recipe for recipe in RECIPES if has_git(recipe)])
def test_git(recipe: str, toolchain: Toolchain, make_project: MakeProject) -> None:
    project = make_project(toolchain, _task("git", GIT))
    assert project.ok("run", "git").splitlines()[-1].startswith("v1-")


def _task(name: str, script: str, folder: str = ".") -> str:
    return f"[tasks.{name}]\nrun = {json.dumps(script)}\nworkdir = {json.dumps(folder)}\n"
