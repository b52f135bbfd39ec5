"""The parts of training and distilling a committee, `interlith.workflows.train`."""
