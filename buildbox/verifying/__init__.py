"""Whether an artifact is what a trusted statement says, without a rebuild."""
