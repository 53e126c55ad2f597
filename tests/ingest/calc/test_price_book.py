"""The price book as a whole: its version, its checks, and what is shipped with it."""

import pyarrow as pa
import pytest

from finops.money import MONEY
from ingest.calc.book import PriceBook
from ingest.calc.prices import PriceError, read_builtin
from ingest.calc.rating import RATED_SCHEMA
from tests.ingest.calc.pricing import ROOT, book, builtin, rated


def test_the_version_depends_on_content_and_not_on_order():
    rows, providers = builtin()
    turned = rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))
    assert PriceBook(rows, providers).version == PriceBook(turned, providers).version
    assert PriceBook(rows.slice(1), providers).version != PriceBook(rows, providers).version


def test_a_broken_book_is_refused():
    with pytest.raises(PriceError, match="not an exported price book"):
        read_builtin(b"{}")
    rows = builtin().rows
    half = rows.set_column(rows.column_names.index("reprices_whole"), rows.schema.field("reprices_whole"),
                           pa.array([False] * rows.num_rows))  # fmt: skip
    with pytest.raises(PriceError, match="row 0: a band that prices only the excess"):
        PriceBook(half, [])


def test_the_export_comes_with_its_licence_and_its_gaps():
    folder = ROOT / "ingest" / "price_book"
    assert "MIT License" in (folder / "LICENSE-genai-prices").read_text()
    assert "not_expressed.csv" in (folder / "README.md").read_text()
    assert (folder / "not_expressed.csv").read_text().startswith("provider,model,what,why\n")


def test_no_lines_give_no_rows():
    empty = pa.table({"charge_date": pa.array([], pa.date32()), "input_uncached": pa.array([], pa.int64())})
    assert book().rate(empty).schema.equals(RATED_SCHEMA)
    assert book().rate(empty)["list_cost"].type == MONEY


def test_negative_quantities_and_missing_dates_are_refused():
    with pytest.raises(PriceError, match="input_uncached: negative"):
        rated(book(), [{"provider": "openai", "model_served": "gpt-4o", "input_uncached": -1}])
    with pytest.raises(PriceError, match="charge_date"):
        book().rate(pa.table({"input_uncached": pa.array([1])}))
