"""Slides written by a model, from a topic and its sources."""
