"""The HTTP API: jobs for programs, under /api/v1."""

from web.api.table import routes

__all__ = ["routes"]
