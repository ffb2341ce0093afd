"""What Presenton can be asked beside what every deck can, and which renderer a request is for."""

import json
import os
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MOST_SLIDES = 50
MOST_FILES = 20
ARTIFACT = re.compile(r"job://(?P<job>[^/]+)/artifacts/(?P<name>.+)", re.IGNORECASE)

Renderer = Literal["auto", "builtin", "presenton"]


def _checked_file(address: str) -> str:
    if not (re.match(r"https?://[^/]|file:.", address, re.IGNORECASE) or ARTIFACT.fullmatch(address)):
        raise ValueError(f"is '{address[:60]}'; give https://…, job://ID/artifacts/NAME or file:NAME.")
    return address


class Options(BaseModel):
    """Presenton's own options, as its API calls them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    template: Annotated[str, Field(min_length=1, max_length=200)] = "general"
    instructions: Annotated[str, Field(max_length=5000)] = ""
    verbosity: Literal["concise", "standard", "text-heavy"] = "standard"
    web_search: bool = False
    include_table_of_contents: bool = False
    include_title_slide: bool = True
    files: Annotated[tuple[Annotated[str, AfterValidator(_checked_file)], ...], Field(max_length=MOST_FILES)] = ()
    export_as: Literal["pptx", "pdf"] = "pptx"


def as_object(value: Any) -> Any:
    """A JSON string for an object."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def is_for_presenton(
    renderer: Renderer, topic: str | None, theme: str | None, has_sources: bool, options: Options | None
) -> bool:
    """Whether a deck goes to Presenton; `auto` takes it for a topic, unless only the built-in renderer can do what is asked."""
    if renderer != "auto":
        return renderer == "presenton"
    if options is not None:
        return True
    if not topic or not os.environ.get("PRESENTON_URL"):
        return False
    return not has_author() or not (theme or has_sources)


def has_author() -> bool:
    """Whether a model writes slides for the built-in renderer here."""
    # Not the settings as a whole: reading those takes 100 times as long, and doors ask for every job of a list.
    return bool(os.environ.get("LLM_BASE_URL") and os.environ.get("LLM_MODEL"))


def check_renderer(args: Any) -> None:
    """The rules across arguments that a renderer has. Raises ValueError."""
    if not is_for_presenton(args.renderer, args.topic, args.theme, bool(args.sources), args.presenton):
        _check_builtin(args)
        return
    options = args.presenton or Options()
    if args.theme:
        raise ValueError("theme: is the built-in renderer's. Leave it out; Presenton's looks are presenton.template.")
    if args.slides and len(args.slides) > MOST_SLIDES:
        raise ValueError(f"slides: are {len(args.slides)}; Presenton takes at most {MOST_SLIDES}.")
    if options.include_table_of_contents and (len(args.slides) if args.slides else args.n_slides) < 3:
        raise ValueError("n_slides: must be at least 3 where Presenton is to include a table of contents.")


def _check_builtin(args: Any) -> None:
    if args.presenton is not None:
        raise ValueError("presenton: are options of Presenton. Leave them out, or take renderer presenton.")
    if args.renderer == "builtin" and args.topic and not has_author():
        raise ValueError(
            "renderer: builtin takes slides here and no topic, as LLM_BASE_URL and LLM_MODEL are not set. "
            "Give slides, or take renderer presenton."
        )
