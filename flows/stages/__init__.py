"""The stages of dvc.yaml, one module and one function each, of the same name."""
