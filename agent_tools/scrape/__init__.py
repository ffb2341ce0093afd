"""Feeds and pages of others, read politely and kept until they are handed on."""
