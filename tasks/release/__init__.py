"""The quality gate, the model card, the registry, promotion and rollback."""
