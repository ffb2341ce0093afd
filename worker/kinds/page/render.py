"""An article to a page."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from agent_tools.articles import Article

_HERE = Path(__file__).parent


def lay_out(article: Article, title: str, theme: str) -> str:
    """The whole page. Its policy lets a browser use this style sheet, pictures inside the page, and nothing else."""
    style = (_HERE / "page.css").read_text()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = Environment(loader=FileSystemLoader(_HERE), autoescape=True).get_template("page.html")
    return template.render(
        article=Markup(article.html),  # noqa: S704 - nh3 has cleaned it
        heading="" if article.opens_with_title else title,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        style=Markup(style),  # noqa: S704 - our own file
        theme=theme,
        title=title,
    )
