"""Local environments of atoms: neighbours, bonds, fingerprints, and the crystals they belong to."""
