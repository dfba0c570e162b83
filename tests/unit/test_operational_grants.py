"""The GRANT statements that are printed for a role."""

from __future__ import annotations

from orchestration.activation.privileges import INSERTED, WRITE
from orchestration.operational import grants


def statements(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("--")]


def test_a_reader_gets_select_on_every_table_and_nothing_else() -> None:
    printed = statements(grants("public", "reader", activation=False))
    assert printed[0] == 'grant usage on schema "public" to "reader";'
    assert len(printed) == 16
    assert all(line.startswith("grant select") for line in printed[1:])


def test_what_a_writer_gets_besides_is_what_activation_writes() -> None:
    read = statements(grants("public", "x", activation=False))
    more = set(statements(grants("public", "x"))) - set(read)
    expected = {f'grant usage on sequence "public"."{table}_id_seq" to "x";' for table in INSERTED}
    for (table, privilege), columns in WRITE.items():
        [statement] = [
            line for line in more if line.startswith(f"grant {privilege}") and f'"{table}"' in line
        ]
        listed = statement.partition("(")[2].partition(")")[0]
        assert {name.strip('"') for name in listed.split(", ") if name} == set(columns)
        expected.add(statement)
    assert more == expected


def test_the_access_token_is_in_no_grant() -> None:
    text = grants("public", "writer")
    assert "access_token" not in text
    assert 'on table "public"."shops"' in text
    assert '"xmin", "ctid") on table "public"."shops"' in text


def test_names_are_quoted() -> None:
    for line in statements(grants('a"b', 'x"; drop table shops; --')):
        assert '"a""b"' in line
        assert line.endswith(' to "x""; drop table shops; --";')
