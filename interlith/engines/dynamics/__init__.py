"""The parts of the molecular dynamics driver `interlith.engines.md`."""
