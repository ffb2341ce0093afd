"""The shelf: the pages and the HTTP API that people and programs meet."""
