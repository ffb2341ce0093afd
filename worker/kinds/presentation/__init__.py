"""The kind `presentation`: Markdown slides become a PowerPoint file, a PDF and a picture of each slide."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from agent_tools import JobContext, Needs, RequiredUnless, Result, job_kind
from worker.kinds.presentation.presenton.options import Options, Renderer, as_object, check_renderer, is_for_presenton
from worker.kinds.presentation.reading.split import MAX_SLIDES, check_slides, split_slides

_WRITER = Needs("LLM_BASE_URL|PRESENTON_URL", "LLM_MODEL|PRESENTON_URL")
_PRESENTON = Needs("PRESENTON_URL")
_ONCE_CALLED = {"light": "clean", "dark": "midnight"}

Slides = Annotated[
    list[str],
    BeforeValidator(split_slides),
    AfterValidator(check_slides),
    Field(
        description="One Markdown string a slide. `# Title` opens the deck or a part of it, `## Title` a slide; then "
        "lists, `### Heading` for each of 2 to 4 columns, a table, `!chart bar` (line, pie) above one, a `> quote` with "
        "`> — name`, a lone `**42 %**`, `- **2021** what` for a timeline, code, `![alt](https://…)`, and last `Note:` with "
        "what the speaker says. Three to six short lines look best. A line of `---` parts slides, too.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_SLIDES},
    ),
]
Look = Annotated[
    Literal["clean", "paper", "fresh", "vivid", "midnight", "graphite"],
    BeforeValidator(lambda name: _ONCE_CALLED.get(name, name) if isinstance(name, str) else name),
    Field(description="midnight and graphite are dark. Default clean."),
]


def slides_or_topic(args: Any) -> None:
    """The rule across arguments: who writes the slides."""
    if args.topic is not None and not args.topic.strip():
        raise ValueError("topic: is blank. Say what the deck is about.")
    if args.topic and args.slides:
        raise ValueError("topic: is for a deck whose slides a model writes. Give slides or topic, not both.")
    if args.sources and not args.topic:
        raise ValueError("sources: go with topic; slides of yours are taken as they are.")
    check_renderer(args)


def way(args: Mapping[str, Any]) -> str:
    """Who draws the deck, and whether a model writes it."""
    topic = args.get("topic")
    asked = args.get("renderer", "auto"), topic, args.get("theme"), bool(args.get("sources")), args.get("presenton")
    return "presenton" if is_for_presenton(*asked) else "written" if topic else "given"


@job_kind(
    "presentation",
    timeout="30m",
    usually="a few seconds; minutes where slides are written from a topic",
    check=slides_or_topic,
    variant=way,
    example={
        "slides": ["# Tides\nWhy the sea comes and goes", "## Two bulges\n- The moon pulls\n- The Earth turns beneath"]
    },
)
async def presentation(
    job: JobContext,
    slides: Annotated[Slides | None, RequiredUnless("topic")] = None,
    theme: Look | None = None,
    topic: Annotated[
        str | None,
        _WRITER,
        Field(max_length=2000, description="Instead of slides: a model here plans and writes them; takes minutes."),
    ] = None,
    n_slides: Annotated[int, _WRITER, Field(ge=1, le=40)] = 10,
    audience: Annotated[str, _WRITER, Field(max_length=200)] = "",
    language: Annotated[str, _WRITER, Field(max_length=60)] = "",
    tone: Annotated[str, _WRITER, Field(max_length=200)] = "",
    sources: Annotated[
        tuple[str, ...],
        _WRITER,
        Field(
            max_length=20,
            description="With topic: whole texts to write from. Only what stands in them is quoted or charted.",
        ),
    ] = (),
    renderer: Annotated[Renderer, _PRESENTON, Field(description="auto: Presenton for topics.")] = "auto",
    presenton: Annotated[
        Annotated[Options, BeforeValidator(as_object), WithJsonSchema({"type": "object"})] | None,
        _PRESENTON,
        Field(
            description="template, instructions, verbosity (concise, text-heavy), web_search, "
            "include_table_of_contents, include_title_slide, export_as (pdf), files (https://…, job://…)."
        ),
    ] = None,
) -> Result:
    """Make a slide deck of Markdown: an editable PowerPoint file, a PDF of it, and a picture of each slide.

    Takes a few seconds. Write the slides yourself and give one Markdown string for each. What is too long for a slide
    goes on on a further one; the result says so, and what else was changed, under `changes`.
    """
    from worker.kinds.presentation.author.author import Brief  # noqa: PLC0415 - heavy, so only where decks are made

    async def choose(topic: str | None, theme: str | None, has_sources: bool, options: Options | None) -> bool:
        return is_for_presenton(renderer, topic, theme, has_sources, options)

    wanted = topic, theme, bool(sources), presenton
    # Recorded for a topic, as settings may change while the job waits.
    is_theirs = await (job.step("Choose the renderer", choose, *wanted) if topic else choose(*wanted))
    brief = Brief(topic or "", n_slides, audience, language, tone, sources)
    if is_theirs:
        from worker.kinds.presentation.presenton.make import presenton_deck  # noqa: PLC0415

        return await presenton_deck(job, slides, brief, presenton or Options())
    from worker.kinds.presentation.make import make_deck, written_deck  # noqa: PLC0415

    if slides is not None:
        return await make_deck(job, slides, theme)
    return await written_deck(job, brief, theme)
