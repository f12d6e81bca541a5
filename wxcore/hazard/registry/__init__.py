"""Registry: models as files that can be trusted, compared and taken back."""
