"""The agent's door: what a model meets over MCP."""
