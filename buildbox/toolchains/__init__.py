"""The substance of `buildbox images`: what recipes, archive, engine and registries do together."""
