"""Crystals cut along planes: terminations, slabs, grain boundaries."""
