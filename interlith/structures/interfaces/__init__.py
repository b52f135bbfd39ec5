"""Crystals put together: matching, strain, registry, interfaces, stacks."""
