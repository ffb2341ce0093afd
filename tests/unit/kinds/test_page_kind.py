"""The kind `page`."""

import re
from html.parser import HTMLParser

import pytest

from agent_tools.jobs.errors import BadRequest
from worker.kinds.page import page

HARMLESS = {"html", "head", "meta", "title", "style", "body", "main"}
ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/png;base64,AAAA)",
    "[x](vbscript:msgbox)",
    "[x](file:///etc/passwd)",
    "[x](//evil.example)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    '![x](x" onerror="alert(1))',
    '[x](https://ok.example "a\\" onmouseover=\\"alert(1)")',
    "<svg onload=alert(1)>",
    "<iframe src=https://evil.example></iframe>",
    "<style>@import url(https://evil.example)</style>",
    "<a href='https://evil.example' style='position:fixed'>x</a>",
    "`<script>alert(1)</script>`",
    "```html\n<script>alert(1)</script>\n```",
    "| <script> |\n|:-:|\n| <img src=x onerror=alert(1)> |",
    "# <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


class Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


async def made(job, content, theme="auto"):
    result = await page.run(job, page.parse({"content": content, "theme": theme}))
    (artifact,) = result.artifacts
    return result, artifact, artifact.data.decode()


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_in_the_markdown_can_run_or_load_anything(job, attack):
    job.title = attack
    _, _, html = await made(job, attack)

    for tag, attributes in Tags(html).found:
        assert tag not in {"script", "svg", "iframe", "object", "link", "form", "base"}
        assert not [name for name in attributes if name.startswith("on")]
        assert "style" not in attributes
        assert re.match(r"https?://|mailto:|$", attributes.get("href") or "")
        assert re.match(r"data:image/(png|jpeg|gif|webp);|$", attributes.get("src") or "")
    assert html.count("<style>") == 1


async def test_a_page_says_that_a_browser_may_load_nothing(job):
    _, _, html = await made(job, "# Hello")

    policy = next(a["content"] for tag, a in Tags(html).found if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_links_lead_out_without_vouching_for_the_target(job):
    _, _, html = await made(job, "[a](https://a.example) [b](http://b.example) [c](mailto:c@d.example)")

    links = [attributes for tag, attributes in Tags(html).found if tag == "a"]
    assert [link["href"] for link in links] == ["https://a.example", "http://b.example", "mailto:c@d.example"]
    assert {link["rel"] for link in links} == {"noopener nofollow"}


async def test_a_picture_inside_the_page_is_shown_and_one_from_elsewhere_is_its_text(job):
    _, _, html = await made(job, "![dot](data:image/png;base64,iVBORw0KGgo=) ![A map](https://x.example/map.png)")

    assert [attributes["alt"] for tag, attributes in Tags(html).found if tag == "img"] == ["dot"]
    assert "[A map]" in html


async def test_tables_align_and_tasks_show_their_state(job):
    _, _, html = await made(job, "| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n- plain")

    assert '<td class="right">1</td>' in html
    assert '<td class="center">2</td>' in html
    assert re.findall(r"<li[^>]*>[^<]*", html) == ['<li class="done">done', '<li class="todo">open', "<li>plain"]


async def test_the_page_is_called_after_the_job_or_else_its_first_heading(job):
    result, artifact, html = await made(job, "intro\n\n## The *tides*\n\ntext")
    assert (artifact.name, artifact.media_type) == ("the-tides.html", "text/html")
    assert "<title>The tides</title>" in html
    assert result.line == "The tides: 4 words"
    assert result.data == {"words": 4, "headings": 1}

    job.title = "Ebb & flow"
    _, artifact, html = await made(job, "just text")
    assert artifact.name == "ebb-flow.html"
    assert "<h1>Ebb &amp; flow</h1>" in html


async def test_a_page_that_opens_with_its_title_shows_it_once(job):
    job.title = "Tides"
    _, _, html = await made(job, "# Tides\n\ntext")

    assert html.count("<h1>") == 1


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
async def test_a_page_has_a_theme_and_a_language(job, theme):
    _, _, html = await made(job, "x", theme)

    assert Tags(html).found[0] == ("html", {"lang": "en", "data-theme": theme})


async def test_equal_markdown_makes_equal_pages_and_says_how_far_it_is(job):
    assert (await made(job, "# A\n\nb"))[2] == (await made(job, "# A\n\nb"))[2]
    assert job.said[:2] == [("Reading Markdown", 0, 2), ("Laying out the page", 1, 2)]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "content: is required."),
        ({"content": " \n\t"}, "content: is blank. Give the page's Markdown."),
        ({"content": "x", "theme": "sepia"}, "theme: input should be 'auto', 'light' or 'dark', not 'sepia'."),
    ],
)
def test_what_is_wrong_is_said_by_name(args, sentence):
    with pytest.raises(BadRequest, match=re.escape(sentence)):
        page.parse(args)


@pytest.mark.parametrize(
    "content", ["> " * 500 + "deep", "*" * 5000, "[" * 5000, "مرحبا\r\n\r\n日本語 😀", "```\nnever closed"]
)
async def test_odd_markdown_makes_a_page(job, content):
    _, artifact, html = await made(job, content)

    assert artifact.name.endswith(".html")
    assert html.rstrip().endswith("</html>")
