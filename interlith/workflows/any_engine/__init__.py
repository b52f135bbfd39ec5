"""Calculations that take any engine by name: potentials, GPAW, VASP."""
