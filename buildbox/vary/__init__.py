"""What may differ between two machines, varied on purpose."""
