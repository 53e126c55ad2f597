"""Sources through to the facts: importing a sample again changes nothing, and a fuller bucket replaces a part."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from ingest.calc.mapping import MappingError
from ingest.models import IngestRun
from ingest.services import Import, Refused, ingest_file

SAMPLES = Path(__file__).parents[2] / "samples"
DAY = 1_736_640_000
pytestmark = pytest.mark.usefixtures("ledger")


@pytest.mark.parametrize(
    "name",
    ["generic/events.jsonl", "openai/usage_completions_page1.json", "openai/usage_images.json",
     "response_body/anthropic_iterations.jsonl"],
)  # fmt: skip
def test_importing_a_sample_again_changes_nothing(name):
    job = Import(SAMPLES / name, name.split("/")[0], at=datetime(2026, 9, 8, tzinfo=UTC))
    first, again = ingest_file(job), ingest_file(job)
    assert first.stored == first.read > 0
    assert (again.duplicate, again.stored, again.changed) == (again.read, 0, 0)


def test_a_run_whose_records_have_no_ids_is_marked():
    assert ingest_file(Import(SAMPLES / "generic" / "events.jsonl", "generic")).identity == "row"


def bucket(tmp_path, start, tokens, observed):
    result = {"object": "organization.usage.completions.result", "input_tokens": tokens, "output_tokens": 1,
              "num_model_requests": 1, "model": "gpt-5"}  # fmt: skip
    page = {
        "object": "page",
        "data": [{"object": "bucket", "start_time": start, "end_time": DAY + 86_400, "results": [result]}],
    }
    path = tmp_path / "page.json"
    path.write_text(json.dumps(page))
    return ingest_file(Import(path, "openai", observed_at=datetime(2026, 9, observed, tzinfo=UTC)))


def test_a_fuller_bucket_replaces_a_part_of_it_and_an_older_one_never_does(tmp_path):
    assert bucket(tmp_path, DAY + 40_000, 10, 1).stored == 1
    assert bucket(tmp_path, DAY, 100, 2).changed == 1
    late = bucket(tmp_path, DAY + 40_000, 10, 1)
    assert (late.stored, late.changed) == (0, 0)


def test_a_mapping_may_be_given_as_data_and_a_wrong_one_starts_no_run():
    mapping = yaml.safe_load((SAMPLES / "generic" / "decimal_comma.csv.mapping.yaml").read_text())
    run = ingest_file(Import(SAMPLES / "generic" / "decimal_comma.csv", "generic", mapping=mapping, accept_bad=True))
    assert (run.stored, run.quarantined, run.identity) == (2, 2, "native")
    with pytest.raises(MappingError):
        ingest_file(Import(SAMPLES / "generic" / "events.csv", "generic", mapping={"time": "t"}))
    assert IngestRun.objects.count() == 1


def test_an_error_page_is_refused_and_nothing_is_kept():
    with pytest.raises(Refused, match="an error that OpenAI answered"):
        ingest_file(Import(SAMPLES / "openai" / "error_429.json", "openai"))
