"""What the slides say, given its place and size."""
