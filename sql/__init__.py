"""The book: Postgres, and the only place that opens a cursor."""
