"""All that it takes to make builds again, in one file."""
