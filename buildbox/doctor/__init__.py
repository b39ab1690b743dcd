"""`buildbox doctor`: whether all that buildbox needs is there and works, and what to do where not."""
