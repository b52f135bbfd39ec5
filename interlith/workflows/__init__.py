"""What we run: jobflow makers and flows."""
