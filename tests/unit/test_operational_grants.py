"""The GRANT statements that are printed for a role."""

from __future__ import annotations

from orchestration.operational import grants


def statements(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("--")]


def test_a_reader_gets_select_on_every_table_and_nothing_else() -> None:
    printed = statements(grants("public", "reader", activation=False))
    assert printed[0] == 'grant usage on schema "public" to "reader";'
    assert len(printed) == 16
    assert all(line.startswith("grant select") for line in printed[1:])


def test_the_access_token_is_in_no_grant() -> None:
    text = grants("public", "writer")
    assert "access_token" not in text
    assert 'on table "public"."shops"' in text
    assert '"xmin", "ctid") on table "public"."shops"' in text


def test_names_are_quoted() -> None:
    for line in statements(grants('a"b', 'x"; drop table shops; --')):
        assert '"a""b"' in line
        assert line.endswith(' to "x""; drop table shops; --";')
