"""The files that jobs made."""

from starlette.responses import Response

from web import kept
from web.api.operation import Caller
from web.api.problems import ArtifactNotFound
from web.api.replies import NOSNIFF

# Whatever a job made is somebody else's: a browser that is sent here keeps it as a file, and runs nothing.
_HARMLESS = {
    **NOSNIFF,
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


async def read_artifact(caller: Caller, job: str, name: str) -> Response:
    """Download a file that a job made. The ETag is its SHA-256; parts can be had with Range."""
    found = await caller.backburner.get(job)
    artifact = next((each for each in found.artifacts if each.name == name), None)
    if artifact is None:
        names = ", ".join(each.name for each in found.artifacts) or "none"
        raise ArtifactNotFound(f"{found.id} has no artifact '{name[:60]}'. It has: {names}.")
    etag = f'"{artifact.sha256}"'
    if etag in caller.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={**_HARMLESS, "ETag": etag})
    try:
        return await kept.response(
            caller.backburner.artifact_file(found, artifact),
            headers={**_HARMLESS, "ETag": etag},
            media_type=artifact.media_type if _can_be_sent(artifact.media_type) else "application/octet-stream",
            filename=artifact.name,
        )
    except OSError:
        raise ArtifactNotFound(f"The file of '{artifact.name}' is not in the store any longer.") from None


def _can_be_sent(media_type: str) -> bool:
    """A kind may call its files what it likes; a header may not say everything."""
    return media_type.isascii() and media_type.isprintable()
