"""The kinds that come with Backburner, a file or a folder each; they import nothing of ours but `agent_tools`."""
