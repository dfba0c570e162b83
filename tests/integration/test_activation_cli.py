"""`loyalty activate`: what it prints, and when its exit code is 1."""

from __future__ import annotations

import json

import pytest
import typer
from activation_world import World, new_world, shared_world, world
from typer.testing import CliRunner

from orchestration.cli.activate import activate

__all__ = ["new_world", "shared_world", "world"]

app = typer.Typer()
app.command()(activate)


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop whose segment [b]Gold would lose 50 members, and whose Silver gains one."""
    monkeypatch.setenv("LOYALTY_OPERATIONAL_URL", world.operational.url)
    monkeypatch.setenv("LOYALTY_WAREHOUSE_URL", world.warehouse.url)
    world.shop(1)
    world.customers(1, range(1, 51))
    world.segment(10, 1, name="[b]Gold")
    world.segment(11, 1, name="Silver", count=1)
    world.segment(12, 1, name="Hand-picked", status="manual")
    world.segment(13, 1, name="Quiet")
    world.marts.execute(
        "update marts.customer_segments set customer_count = null where name = 'Quiet'"
    )
    world.members(10, range(1, 51))
    world.stays(11, 1, [1])
    world.campaign(5, 1, {"target_segments": ["[b]Gold"]})
    return world


def test_what_is_held_is_named_with_the_way_to_release_it(shop: World) -> None:
    result = CliRunner().invoke(app, ["--dry-run"])
    assert result.exit_code == 1
    for text in (
        "[b]Gold",
        "lose all of its 50 members",
        "Silver",
        "1 segments needed nothing",
        "Left as they were: 1 manual",
        "Campaign 'campaign 5' of shop-1.myshopify.com: held",
        "The run would write 2 rows.",
        "loyalty activate --allow-large-changes",
    ):
        assert text in result.output


def test_nothing_held_is_exit_code_0(shop: World) -> None:
    assert CliRunner().invoke(app, ["--segment", "Silver"]).exit_code == 0
    result = CliRunner().invoke(app, ["--allow-large-changes"])
    assert (result.exit_code, shop.active(10)) == (0, set())
    assert "The run wrote 52 rows." in result.output


def test_control_characters_of_a_name_do_not_reach_the_terminal(shop: World) -> None:
    shop.marts.execute(
        "update marts.customer_segments set name = E'a\\x1b[2J' where segment_id = 11"
    )
    result = CliRunner().invoke(app, ["--dry-run"])
    assert "a\\x1b[2J" in result.output
    assert "\x1b" not in result.output


def test_json_holds_everything(shop: World) -> None:
    result = CliRunner().invoke(app, ["--json", "--shop", "shop-1.myshopify.com"])
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert [s["held"] for s in document["segments"]] == [0, 0, 50]
    assert document["left_alone"] == {"manual": 1}
    assert "[b]Gold" in document["problems"][0]
