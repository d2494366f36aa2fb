"""Teachers of a recipe, their predictions, and the unlabelled faces that these are also for."""
