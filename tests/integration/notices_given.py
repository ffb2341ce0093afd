"""What tests of notices begin with: somebody with an address, and time that has passed."""

from given import Book

from agent_tools.jobs.notices import WANTS


def person(book: Book, name: str, *, of: int | None = None) -> int:
    """A person of the tenant, made if they are new."""
    tenant = of or book.default.id
    book.run(
        "INSERT INTO principals (tenant_id, name, role) VALUES (%s, %s, 'person') ON CONFLICT DO NOTHING", tenant, name
    )
    return int(book.one("SELECT id FROM principals WHERE tenant_id = %s AND name = %s", tenant, name))


def address(
    book: Book, where: str, name: str = "owner", *, of: int | None = None, wants: tuple[str, ...] = WANTS
) -> int:
    """Has this person been told there since an hour ago; gives their number."""
    tenant, who = of or book.default.id, person(book, name, of=of)
    book.run(
        "INSERT INTO notice_addresses (tenant_id, person_id, address, wants, told_until)"
        " VALUES (%s, %s, %s, %s, now() - interval '1 hour')",
        tenant,
        who,
        where,
        list(wants),
    )
    return who


def row(book: Book, who: int) -> dict[str, object]:
    """How an address fares; `wait_s` is how long until the next try."""
    return book.run(
        "SELECT *, round(extract(epoch FROM next_at - now()))::int AS wait_s FROM notice_addresses WHERE person_id = %s",
        who,
    )[0]


def pass_time(book: Book, how_long: str) -> None:
    """Everything that notices go by was so much longer ago."""
    book.run("UPDATE asks SET asked_at = asked_at - %s::interval", how_long)
    book.run("UPDATE told_asks SET told_at = told_at - %s::interval", how_long)
    book.run("UPDATE jobs SET finished_at = finished_at - %s::interval WHERE finished_at IS NOT NULL", how_long)
    book.run(
        "UPDATE notice_addresses SET next_at = next_at - %s::interval, told_until = told_until - %s::interval,"
        " tested_at = tested_at - %s::interval, news_from = news_from - %s::interval, look_at = look_at - %s::interval",
        how_long,
        how_long,
        how_long,
        how_long,
        how_long,
    )
