"""What we simulate: the crystal library."""
