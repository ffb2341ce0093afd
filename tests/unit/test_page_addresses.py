"""When two addresses are one page's."""

import pytest

from agent_tools.scrape.address import canonical, hash_of, joined, same_host


@pytest.mark.parametrize(
    "other",
    [
        "http://Example.org/a",
        "https://example.org:443/a/",
        "https://example.org./a#part",
        "https://example.org/a?utm_source=rss&UTM_Medium=x",
        "https://example.org/a?fbclid=1&gclid=2&mc_eid=3",
        "https://example.org/%61",
        "  https://example.org/a  ",
    ],
)
def test_addresses_that_differ_in_nothing_that_is_read_are_one_page(other: str) -> None:
    assert hash_of(other) == hash_of("https://example.org/a")


@pytest.mark.parametrize(
    "other",
    [
        "https://example.org/A",
        "https://example.org/a?id=1",
        "https://example.org:8443/a",
        "https://www.example.org/a",
        "https://example.com/a",
        "https://example.org/a%2Fb",
    ],
)
def test_addresses_that_differ_in_what_is_read_are_two(other: str) -> None:
    assert hash_of(other) != hash_of("https://example.org/a")


def test_the_order_of_what_is_asked_does_not_count() -> None:
    assert canonical("https://a.example/?b=2&a=1&c=") == canonical("https://a.example/?c=&a=1&b=2")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "ftp://a.example/",
        "https://",
        "javascript:alert(1)",
        "https://a.example:x/",
        "https://a.example/" + "a" * 2000,
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no web address"):
        canonical(url)


def test_a_link_leads_from_where_it_stands() -> None:
    assert joined("https://a.example/b/c", "../d?e=1") == "https://a.example/d?e=1"
    assert joined("https://a.example/", "mailto:a@b.example") is None
    assert joined("https://a.example/", "/a\x1b[2Jb") is None, "what a terminal would obey"


def test_a_page_speaks_for_its_own_host_only() -> None:
    assert same_host("https://www.a.example/1", "https://a.example/2")
    assert not same_host("https://a.example/1", "https://b.example/1")
