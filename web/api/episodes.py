"""Episodes: recordings that are known, and how far each is."""

from starlette.responses import Response

from sql.door import EpisodeFilter
from web.api import asked, replies
from web.api.jobs import in_full
from web.api.operation import Caller
from web.api.replies import answer


async def list_episodes(caller: Caller, query: asked.EpisodesQuery) -> Response:
    """List the recordings that are known, newest first, each with the furthest stage that it reached.

    Known is what an episode was asked for, and what was found by discovering a folder, a feed or a page.
    """
    wanted = EpisodeFilter(
        stage=query.stage or None,
        status=query.status or None,
        source=query.source,
        found_in=query.found_in,
        unasked=query.unasked,
    )
    page = await caller.backburner.episodes(wanted, limit=query.limit, cursor=query.cursor)
    listed = [
        {("job_id" if name == "job" else name): value for name, value in each._asdict().items() if value is not None}
        for each in page.episodes
    ]
    return answer(replies.Episodes.model_validate({"episodes": listed, "next_cursor": page.next_cursor}))


async def discover_episodes(caller: Caller, query: asked.Wait, body: asked.Discover) -> Response:
    """Look for recordings in a folder, a feed or a page. What is found is listed by GET /api/v1/episodes.

    It is a job like any other; with `wait` this answers when it ends or the time is up.
    """
    made = await caller.backburner.create("episode", {"source": body.source, "target_stage": "discover"}, again=True)
    (job,) = await caller.backburner.wait([made.id], query.wait)
    return await in_full(caller, job, 202, created=made.created)
