"""A deck made by Presenton, from the arguments to the files."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from agent_tools import Artifact, GiveUp, JobContext, Result, TryAgain
from agent_tools.presenton import Format, Made, Presenton, PresentonRefused, PresentonUnavailable
from agent_tools.settings import Settings
from worker.kinds.presentation.author.author import Brief
from worker.kinds.presentation.deck import slug
from worker.kinds.presentation.presenton.files import gathered
from worker.kinds.presentation.presenton.finding import Found, deserves_another, find, why_not
from worker.kinds.presentation.presenton.following import EVERY, Seen, follow
from worker.kinds.presentation.presenton.handing import Before, Handed, begin, begun_before, look_around
from worker.kinds.presentation.presenton.options import Options
from worker.kinds.presentation.presenton.order import Order, order
from worker.kinds.presentation.presenton.words import Slide, Unreadable, outline

log = logging.getLogger("backburner.presenton")

MOST_TRIES = 2
"""How often a deck is asked for where Presenton itself broke."""
EVENTS = ("presentation.generation.completed", "presentation.generation.failed")
_PAUSES = ("30s", "5m")
"""A Presenton that has just been started takes half a minute to answer."""


async def presenton_deck(job: JobContext, slides: Sequence[str] | None, brief: Brief, options: Options) -> Result:
    """Have Presenton make the deck, wait for it without a worker, and keep its files."""
    settings = Settings.read()
    async with Presenton(settings) as presenton:
        making = _Making(job, presenton, settings)
        try:
            return await making.deck(slides, brief, options)
        except PresentonUnavailable as error:
            pause = _PAUSES[min(job.attempt, len(_PAUSES)) - 1]
            raise TryAgain(after=pause, because=str(error)) from error
        except PresentonRefused as error:
            if not (making.has_begun and error.is_locked):
                raise
            raise TryAgain(after=_PAUSES[-1], because=f"{error} The deck goes on there meanwhile.") from error


class _Making:
    """One go of the handler: whatever was done in an earlier one is found recorded. `has_begun`: Presenton is at work.

    Steps are known by the order's mark and not by its words: who renames the job while it waits wants no second deck.
    """

    def __init__(self, job: JobContext, presenton: Presenton, settings: Settings) -> None:
        self._job, self._presenton, self._settings = job, presenton, settings
        self.has_begun = False

    async def deck(self, slides: Sequence[str] | None, brief: Brief, options: Options) -> Result:
        for nth in range(1, MOST_TRIES + 1):
            asked = order(self._job.key(f"presenton-{nth}"), self._job.title, slides, brief, options)
            seen, found = await self._made(asked)
            if found.made:
                return await self._kept(asked, found.made)
            if nth == MOST_TRIES or not deserves_another(seen):
                there = f" What there is of it: {self._presenton.edit_url(found.deck)}" if found.deck else ""
                raise GiveUp(
                    why_not(seen, self._settings.presenton_silence_s, self._settings.presenton_timeout_s) + there
                )
        raise AssertionError("the last try ends it")

    async def _made(self, asked: Order) -> tuple[Seen, Found]:
        """Hand it over, wait for its end, and find it."""
        handed = await self._handed_over(asked)
        self.has_begun = True
        called = await self._job.step("Be told by Presenton", self._subscribe, asked.mark)
        seen = await follow(
            self._job, self._presenton, handed, self._settings.presenton_silence_s, self._settings.presenton_timeout_s
        )
        if called:
            await self._job.step("Be told no more", self._unsubscribe, called)

        async def look_for(_: str, handed: Handed, seen: Seen) -> Found:
            return await find(self._presenton, asked, handed, seen)

        return seen, await self._job.step("Find the deck", look_for, asked.mark, handed, seen)

    # ------------------------------------------------------------------------------------------------- handing over

    async def _handed_over(self, asked: Order) -> Handed:
        files = await self._uploaded(asked) if asked.options.files or asked.sources else []
        looked_now = False

        async def look(_: str) -> Before:
            nonlocal looked_now
            looked_now = True
            return await look_around(self._presenton)

        async def hand_over(_: str, before: Before) -> Handed | None:
            if not looked_now:  # an earlier attempt may have sent it, and not lived to know
                began = await begun_before(self._presenton, asked, before, self._settings.presenton_silence_s)
                if began is None:
                    self._job.progress("Finding out whether Presenton has begun already")
                if not isinstance(began, bool):
                    return began
            self._job.progress("Handing over to Presenton", 0, 100)
            return await begin(self._presenton, asked, files, webhook=self._job.callback_url is not None)

        before = await self._job.step("Look at Presenton", look, asked.mark)
        return await self._job.until("Presenton to take the deck", hand_over, asked.mark, before, every=EVERY)

    async def _uploaded(self, asked: Order) -> list[str]:
        async def upload(_: str) -> list[str]:
            self._job.progress("Sending files to Presenton")
            return await self._presenton.upload(await gathered(self._job, asked.options.files, asked.sources))

        return await self._job.step("Send files to Presenton", upload, asked.mark)

    async def _subscribe(self, _: str) -> list[str]:
        """What ends our being called. Without it we look now and then, and so does this."""
        url = self._job.callback_url
        try:
            return [await self._presenton.subscribe(event, url) for event in EVENTS] if url else []
        except (PresentonUnavailable, PresentonRefused) as error:
            log.info("job %s is not told by Presenton: %s", self._job.id, error)
            return []

    async def _unsubscribe(self, subscriptions: list[str]) -> bool:
        try:
            for each in filter(None, subscriptions):
                await self._presenton.unsubscribe(each)
        except (PresentonUnavailable, PresentonRefused) as error:
            log.info("job %s could not tell Presenton to be quiet: %s", self._job.id, error)
            return False
        return True

    # ------------------------------------------------------------------------------------------------------ keeping

    async def _kept(self, asked: Order, made: Made) -> Result:
        """The deck's files and what can be seen and read of it, with the link by which people go on with it."""
        first, second = asked.formats
        edit_url = self._presenton.edit_url(made.presentation_id, made.edit_path)
        files, changes = {first: await self._fetched(first, made, edit_url)}, list[str]()
        try:
            files[second] = await self._fetched(second, made.model_copy(update={"path": None}), edit_url)
        except (GiveUp, TryAgain) as error:
            changes.append(f"There is no {_WORDS[second]} of it: {error}")
        slides = await self._slides(files.get("pptx"), asked, changes)
        title = self._job.title or next((slide.title for slide in slides if slide.title), "") or asked.about
        drawn = await self._drawn(files.get("pdf"), slides, changes)
        name = slug(title)
        return Result(
            data={
                "slides": len(slides),
                "titles": [slide.title for slide in slides],
                "renderer": "presenton",
                "edit_url": edit_url,
                "presentation_id": made.presentation_id,
                "changes": changes,
            },
            artifacts=[
                *(_named(file, name, form, title) for form, file in files.items()),
                *drawn,
                Artifact.text("outline.md", outline(title, edit_url, slides, changes), title="Outline"),
            ],
            line=f"{len(slides)} {'slide' if len(slides) == 1 else 'slides'} by Presenton: {title}",
        )

    async def _fetched(self, form: Format, made: Made, edit_url: str) -> Artifact:
        """The deck's file of this format, exported first where that was not done."""

        async def fetch(form: Format, made: Made) -> Artifact:
            self._job.progress(f"Fetching the {_WORDS[form]}", 99, 100)
            path = self._job.folder / f"deck.{form}"
            await self._download(form, made, path)
            return Artifact.file(path)

        try:
            return await self._job.step(f"Fetch the {_WORDS[form]}", fetch, form, made)
        except PresentonRefused as error:
            raise PresentonRefused(f"{error} The deck itself is there: {edit_url}", error.status) from error
        except PresentonUnavailable as error:
            raise PresentonUnavailable(f"{error} The deck itself is there: {edit_url}") from error

    async def _download(self, form: Format, made: Made, path: Path) -> None:
        if made.path:
            try:
                await self._presenton.download(made.path, form, path)
                return
            except PresentonRefused as error:
                if error.status != 404:
                    raise
                log.info("job %s: Presenton's file is gone, and exported again: %s", self._job.id, error)
        again = await self._presenton.export(made.presentation_id, form)
        if not again.path:
            raise PresentonUnavailable("Presenton has exported the deck and does not say where to.")
        await self._presenton.download(again.path, form, path)

    async def _slides(self, pptx: Artifact | None, asked: Order, changes: list[str]) -> list[Slide]:
        try:
            if pptx and pptx.path:
                return await asyncio.to_thread(_read_slides, pptx.path)
        except Unreadable as error:
            changes.append(f"The words of the slides are not shown here: {error}.")
        return [Slide((), "")] * asked.n_slides

    async def _drawn(self, pdf: Artifact | None, slides: Sequence[Slide], changes: list[str]) -> list[Artifact]:
        """Pictures of the slides; a deck without any is a deck."""
        if not pdf or not pdf.path:
            return []
        self._job.progress("Drawing the slides", 99, 100)
        try:
            titles = [slide.title for slide in slides]
            return await asyncio.to_thread(_draw, pdf.path, titles, self._job.folder / "pictures")
        except Unreadable as error:
            changes.append(f"There are no pictures of the slides: {error}.")
            return []


_WORDS: dict[Format, str] = {"pptx": "PowerPoint file", "pdf": "PDF"}


def _named(file: Artifact, name: str, form: Format, title: str) -> Artifact:
    shown = title if form == "pptx" else f"{title} (PDF)"
    return Artifact.file(file.path or "", name=f"{name}.{form}", title=shown)


def _read_slides(path: Path) -> list[Slide]:
    from worker.kinds.presentation.presenton.pictures import read_slides  # noqa: PLC0415 - slow, and in a thread here

    return read_slides(path)


def _draw(pdf: Path, titles: Sequence[str], folder: Path) -> list[Artifact]:
    from worker.kinds.presentation.presenton.pictures import draw  # noqa: PLC0415 - likewise

    return draw(pdf, titles, folder)
