"""Machine-learned potentials: the models, their files and what they are."""
