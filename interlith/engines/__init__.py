"""What computes energies and forces."""
