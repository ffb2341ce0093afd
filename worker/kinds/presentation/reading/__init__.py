"""Markdown as a model or a person writes it, read as what it means."""
