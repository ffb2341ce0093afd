"""What faults are made and seen with: processes to hurt, servers to lose, a proxy that drops replies, and the book itself."""
