"""Structures to files and back: CIF, POSCAR, extended XYZ, LAMMPS data."""
