"""Trees of files: what a task is given, what it made, and how both are named by a digest."""
