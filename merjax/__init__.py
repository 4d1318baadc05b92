"""merjax: micro-expression recognition from local facial regions, trained as array programs."""

__version__ = "0.1.0"
