"""Uploads: files for jobs to work on."""

from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.files import UploadedFile
from web.api import asked, replies
from web.api.operation import PREFIX, Caller
from web.api.replies import answer
from web.api.uploading import as_sent


async def upload_file(caller: Caller, query: asked.Upload) -> Response:
    """Upload a file for jobs to work on.

    The body is the file itself, called as `name` says; or a form (multipart/form-data) with one file in it. It is written
    to the disk as it arrives, and kept when this answers. Arguments of jobs that take files name it by `file`.
    """
    kept = await caller.backburner.keep_file(await as_sent(caller.request, query.name))
    return answer(_shown(kept), 201, Location=f"{PREFIX}/files/{kept.id}")


async def list_files(caller: Caller, query: asked.Page) -> Response:
    """List uploads, newest first."""
    page = await caller.backburner.files(limit=query.limit, cursor=query.cursor)
    return answer(replies.Files(files=list(map(_shown, page.files)), next_cursor=page.next_cursor))


async def get_file(caller: Caller, file: str) -> Response:
    """Read what is known of an upload."""
    return answer(_shown(await caller.backburner.file(file)))


async def delete_file(caller: Caller, file: str) -> Response:
    """Delete an upload; refused while a job that has not ended needs it."""
    await caller.backburner.delete_file(file)
    return Response(status_code=204)


def _shown(file: UploadedFile) -> replies.File:
    return replies.File.model_validate(
        view.present(
            {
                "file": file.value,
                "id": file.id,
                "name": file.name,
                "media_type": file.media_type,
                "bytes": file.bytes,
                "sha256": file.sha256,
                "created_at": view.when(file.created_at),
                "keep_until": view.when(file.keep_until),
            }
        )
    )
