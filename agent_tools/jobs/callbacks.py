"""Addresses that others call when it is time to look: a job's id, and proof that this installation gave it out. Pure."""

import hashlib
import hmac

PATH = "/callbacks"


def address(base: str, secret: bytes, job_id: str) -> str:
    """Where to POST to, for one job; `base` is the installation's address."""
    return f"{base.rstrip('/')}{PATH}/{job_id}/{_proof(secret, job_id)}"


def is_ours(secret: bytes, job_id: str, proof: str) -> bool:
    """Whether `address` gave out this proof for this job."""
    return hmac.compare_digest(_proof(secret, job_id).encode(), proof.encode())


def _proof(secret: bytes, job_id: str) -> str:
    return hmac.new(secret, job_id.encode(), hashlib.sha256).hexdigest()
