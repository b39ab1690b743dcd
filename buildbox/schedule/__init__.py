"""Runs the steps of a plan, as many at once as may be, each when what it needs has passed."""
