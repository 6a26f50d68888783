"""What a person sees in Dagster's web pages."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Dagster, wait_until
from tests.conftest import KafkaServer
from tests.orchestration.mesh_of_two import order

Picture = Callable[[str], None]

ALL_PASSED = re.compile(r"^(\d+) / \1 Passed$")

OPEN = "/asset-groups?expanded=global%40global%3Ashop%2Cglobal%40global%3Asales"
"""The graph with both domains opened."""


def test_domains_are_groups_of_one_graph(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Each domain is a group, tied to those that it reads; a broken one is not there."""
    page.goto(dagster.url("/asset-groups"))
    for group in ("shop", "sales"):
        expect(page.get_by_text(group, exact=True).last).to_be_visible()
    expect(page.get_by_text("broken", exact=True)).to_have_count(0)
    picture("domains")


def test_the_graph_leads_from_topic_to_product(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Opened domains show topic, table and product, all brought in by sensors, with kinds and checks."""
    page.set_viewport_size({"width": 1500, "height": 640})
    page.goto(dagster.url("/asset-groups"))
    page.get_by_text("Hide navigation").click()
    page.goto(dagster.url(OPEN))
    graph = page.locator("svg").filter(has_text="totals").last
    for name in (dagster.orders, "orders", "totals"):
        expect(graph.get_by_text(name, exact=True)).to_be_visible()
    for kind in ("Kafka", "DuckLake", "SQL"):
        expect(graph.get_by_text(kind, exact=True).first).to_be_visible()
    expect(graph.get_by_text(ALL_PASSED).first).to_be_visible()
    expect(graph.get_by_text("Materialized", exact=True).first).to_be_visible()
    picture("graph")


def test_sensors_are_on(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Nobody has to switch anything on."""
    page.goto(dagster.url("/automation"))
    automations = (
        "shop__ingest",
        "sales__products",
        "shop__maintenance",
        "shop__verification",
        "sales__maintenance",
    )
    for name in automations:
        expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(len(automations))
    picture("automation")


def test_a_table_shows_its_contract_and_its_rows(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Owner, columns with types and constraints, rows; the last pass with offsets as text."""
    page.goto(dagster.url("/assets/shop/orders"))
    expect(page.get_by_text("Row count")).to_be_visible()
    expect(page.get_by_text("order_id", exact=True).first).to_be_visible()
    expect(page.get_by_text("BIGINT", exact=True).first).to_be_visible()
    expect(page.get_by_text("non-nullable").first).to_be_visible()
    expect(page.get_by_text("The record's offset.")).to_be_visible()
    picture("table")
    page.goto(dagster.url("/assets/shop/orders?view=events"))
    expect(page.get_by_text("dead_letters_total")).to_be_visible()
    expect(page.get_by_text("offsets", exact=True)).to_be_visible()
    picture("pass")


def test_a_table_plots_its_counts(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Rows, lag and dead letters draw themselves; offsets do not."""
    page.goto(dagster.url("/assets/shop/orders"))
    page.get_by_text("Plots", exact=True).click()
    for name in ("rows", "lag", "dead_letters"):
        expect(page.get_by_text(name, exact=True)).to_be_visible()
    expect(page.get_by_text("next_offsets", exact=True)).to_have_count(0)
    picture("plots")


def test_a_product_shows_its_query_and_its_contract(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Both as text on the page, and as links that open the files in an editor."""
    page.goto(dagster.url("/assets/sales/totals"))
    expect(page.get_by_text("FROM shop.orders", exact=False).first).to_be_visible()
    expect(page.get_by_text('"incremental"', exact=False).first).to_be_visible()
    for file in ("contract", "query"):
        link = page.get_by_role("link", name=re.compile(f"Open {file}"))
        expect(link).to_have_attribute("href", re.compile(r"^\w+://file/.*totals\."))
    picture("product")


def test_a_check_can_be_executed_alone(dagster: Dagster, page: Page) -> None:
    """The button on its page makes a run that ends with a verdict."""
    page.goto(dagster.url("/assets/shop/orders?view=checks&checkDetail=ledger"))
    before = dagster.evaluated("shop", "orders", "ledger")
    page.get_by_text("Execute", exact=True).click()
    wait_until(lambda: dagster.evaluated("shop", "orders", "ledger") > before, "the check was evaluated")


def test_the_ledger_is_a_check(dagster: Dagster, page: Page, picture: Picture) -> None:
    """It says in a sentence what it stands for, and that it passed."""
    page.goto(dagster.url("/assets/shop/orders?view=checks&checkDetail=ledger"))
    expect(page.get_by_text("is a row, a dead letter or a recorded gap, once")).to_be_visible()
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    picture("ledger")


def test_new_records_arrive_by_themselves(dagster: Dagster, page: Page, kafka: KafkaServer) -> None:
    """A person produces records and sees the run of a sensor; the product of the other domain follows."""
    tables, products = dagster.materialised("shop", "orders"), dagster.materialised("sales", "totals")
    kafka.produce(dagster.orders, [order(1_000)])
    wait_until(lambda: dagster.materialised("shop", "orders") > tables, "the record is a row")
    wait_until(lambda: dagster.materialised("sales", "totals") > products, "the product followed")
    page.goto(dagster.url("/runs"))
    expect(page.get_by_text("shop__ingest").first).to_be_visible()
    expect(page.get_by_text("Success", exact=True).first).to_be_visible()


def test_a_stopped_stream_is_red_beside_healthy_ones(
    dagster: Dagster, page: Page, kafka: KafkaServer, picture: Picture
) -> None:
    """The record that stops `returns` fails a check and a run, with the reason; `orders` goes on."""
    kafka.produce(dagster.returns, [b"not json"])
    page.goto(dagster.url("/assets/shop/returns?view=checks&checkDetail=partitions_moving"))
    expect(page.get_by_text("cannot read shop.returns partition 0 beyond offset 0").first).to_be_visible()
    expect(page.get_by_text("Failed", exact=True).first).to_be_visible()
    picture("stopped")
    tables = dagster.materialised("shop", "orders")
    kafka.produce(dagster.orders, [order(2_000)])
    wait_until(lambda: dagster.materialised("shop", "orders") > tables, "the healthy stream goes on")


def test_a_broken_domain_says_so_and_recovers(dagster: Dagster, page: Page, picture: Picture) -> None:
    """Its location has failed with the contract's error, the others are loaded; mended, it is reloaded."""
    page.goto(dagster.url("/deployment/locations"))
    expect(page.get_by_text("Loaded", exact=True)).to_have_count(2)
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
    picture("locations")
    page.get_by_text("View error").click()
    expect(page.get_by_text("unknown custom property 'envelopp'; did you mean 'envelope'?")).to_be_visible()
    picture("broken")
    dagster.mesh.stream("broken.orders", dagster.orders)
    try:
        page.get_by_role("dialog").get_by_role("button", name="Reload").click()
        expect(page.get_by_text("Loaded", exact=True)).to_have_count(3)
    finally:
        dagster.breaks()
    page.goto(dagster.url("/deployment/locations"))
    page.get_by_role("button", name="Reload all").click()
    expect(page.get_by_text("Failed", exact=True)).to_be_visible()
