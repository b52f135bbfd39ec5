"""The steps of a reactive run: settings, cell, dynamics, trust."""
