"""The storm: a stream of jobs of every sort, faults one after the other, and what must be true after each of them."""
