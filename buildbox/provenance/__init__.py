"""What is told of a build, for whoever wants to check it or make it again."""
