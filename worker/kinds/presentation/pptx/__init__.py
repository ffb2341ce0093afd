"""Pages as an editable PowerPoint file."""
