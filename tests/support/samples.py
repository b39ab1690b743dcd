"""A small project of each kind that `init` knows: files by name. Those in OFFLINE need nothing downloaded."""

from __future__ import annotations

from collections.abc import Mapping

Files = Mapping[str, str]

PYTHON: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=65"]
build-backend = "setuptools.build_meta"
[project]
name = "sample"
version = "1.0"
""",
    "src/sample/__init__.py": "def double(n: int) -> int:\n    return 2 * n\n",
    "tests/test_sample.py": "from sample import double\n\n\ndef test_it():\n    assert double(21) == 42\n",
}
PYTHON_DEPENDENCIES: Files = {
    "pyproject.toml": """\
[build-system]
requires = ["hatchling>=1.24"]
build-backend = "hatchling.build"
[project]
name = "sample"
version = "1.0"
requires-python = ">=3.10"
dependencies = ["iniconfig"]
[project.optional-dependencies]
dev = ["ruff", "mypy>=1"]
docs = ["sphinx"]
[dependency-groups]
test = ["pluggy"]
""",
    "requirements.txt": "# what runs\niniconfig # to read\n",
    "sample/__init__.py": 'import iniconfig\n\n__all__ = ["iniconfig"]\n',
    "sample_test.py": "import sample\n\n\ndef test_it() -> None:\n    assert sample\n",
}
NODE: Files = {
    "package.json": """\
{"name": "sample", "version": "1.0.0", "scripts": {"test": "node --test", "build": "node -e 0"}}
""",
    "index.js": "module.exports = (n) => 2 * n;\n",
    "test/index.test.js": """\
const test = require('node:test');
const assert = require('node:assert');
test('doubles', () => assert.equal(require('..')(21), 42));
""",
}
GO: Files = {
    "go.mod": "module example.com/sample\n\ngo 1.19\n",
    "sample.go": "package sample\n\nfunc Double(n int) int { return 2 * n }\n",
    "sample_test.go": """\
package sample

import "testing"

func TestDouble(t *testing.T) {
	if Double(21) != 42 {
		t.Fatal("wrong")
	}
}
""",
    "cmd/sample/main.go": """\
package main

import "example.com/sample"

func main() { println(sample.Double(21)) }
""",
}
RUST: Files = {
    "Cargo.toml": '[package]\nname = "sample"\nversion = "1.0.0"\nedition = "2021"\n\n[dependencies]\n',
    "src/lib.rs": """\
pub fn double(n: i32) -> i32 {
    2 * n
}

#[test]
fn doubles() {
    assert_eq!(double(21), 42);
}
""",
}
_C: Files = {
    "sample.c": "int twice(int n) { return 2 * n; }\n",
    "test.c": "int twice(int n);\nint main(void) { return twice(21) == 42 ? 0 : 1; }\n",
}
CMAKE: Files = {
    "sample.c": _C["sample.c"],
    "test.cpp": """\
#include <vector>
extern "C" int twice(int);
int main() { return std::vector<int>{twice(21)}.at(0) == 42 ? 0 : 1; }
""",
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.20)
project(sample C CXX)
enable_testing()
add_executable(sample-test sample.c test.cpp)
add_test(NAME doubles COMMAND sample-test)
""",
}
MAKE: Files = {
    **_C,
    "Makefile": """\
all: sample-test

sample-test: sample.o test.o
	$(CC) -o $@ $^

check: all
	./sample-test

.PHONY: all check
""",
}
JAVA: Files = {
    "src/sample/Sample.java": """\
package sample;

public class Sample {
    public static int twice(int n) {
        return 2 * n;
    }
}
""",
}
MAVEN: Files = {
    "pom.xml": """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sample</groupId>
  <artifactId>sample</artifactId>
  <version>1.0</version>
  <properties>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
  </properties>
  <dependencies>
    <dependency>
      <groupId>junit</groupId>
      <artifactId>junit</artifactId>
      <version>4.13.2</version>
      <scope>test</scope>
    </dependency>
  </dependencies>
</project>
""",
    "src/main/java/sample/Sample.java": JAVA["src/sample/Sample.java"],
    "src/test/java/sample/SampleTest.java": """\
package sample;

import static org.junit.Assert.assertEquals;

public class SampleTest {
    @org.junit.Test
    public void doubles() {
        assertEquals(42, Sample.twice(21));
    }
}
""",
}
GRADLE: Files = {
    "build.gradle": "plugins { id 'java' }\njava.toolchain.languageVersion = JavaLanguageVersion.of(21)\n",
    "gradlew": "#!/bin/sh\n",
    "src/main/java/sample/Sample.java": JAVA["src/sample/Sample.java"],
}

OFFLINE: Mapping[str, Files] = {
    "python": PYTHON,
    "node": NODE,
    "go": GO,
    "rust": RUST,
    "cmake": CMAKE,
    "make": MAKE,
    "java": JAVA,
}
ALL: Mapping[str, Files] = {
    **OFFLINE,
    "python with dependencies": PYTHON_DEPENDENCIES,
    "maven": MAVEN,
    "gradle": GRADLE,
    "nothing": {"README": "hello\n"},
}
