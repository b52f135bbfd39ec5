"""Density functional theory: settings by chemistry, starting moments, Hubbard U, engines."""
