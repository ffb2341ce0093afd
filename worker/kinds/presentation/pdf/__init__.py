"""Pages as a PDF and as pictures."""
