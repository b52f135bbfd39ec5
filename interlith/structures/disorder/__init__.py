"""Ordered cells of disordered crystals, doped ones, and random packings of glasses."""
