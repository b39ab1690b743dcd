"""The names in a statement that stand for kinds and versions."""

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:buildbox:task:v1"  # raised by whoever changes what the parameters mean
BUILDER = "urn:buildbox:local"  # whoever has the machine: a statement is worth as much as its signature
TREE = "buildboxTreeV1"  # an algorithm of a digest: trees/entry.py
