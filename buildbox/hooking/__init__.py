"""git's commit hook: what is staged, as a folder that tasks run in; the hook's file."""
