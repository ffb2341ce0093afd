"""The domain: what a job is, without any technology."""
