"""Decks made by a self-hosted Presenton: handed over once, followed without a worker, fetched when they are done."""
