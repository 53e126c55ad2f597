"""Every sample of every source becomes what its expectation says."""

import json
from pathlib import Path

import pytest

from ingest.samples import EXPECTED, ORIGIN, beside, expectation, samples
from ingest.sources import all_sources, get_source

ROOT = Path(__file__).parent.parent / "samples"
FOLDERS = [ROOT / kind for kind in all_sources() if (ROOT / kind).is_dir()]
SAMPLES = [pytest.param(path, id=f"{folder.name}/{path.name}") for folder in FOLDERS for path in samples(folder)]


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_becomes_what_is_expected_of_it(sample):
    expected = beside(sample, EXPECTED)
    assert expected.exists(), f"no expectation; `manage.py sample {sample.parent.name} --write` makes one to be judged"
    assert expectation(sample, get_source(sample.parent.name)) == json.loads(expected.read_text(encoding="utf-8"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_samples_say_whose_they_are_and_no_expectation_is_left_over(folder):
    assert (folder / ORIGIN).read_text(encoding="utf-8").strip()
    names = {path.name for path in samples(folder)}
    assert {path.name.removesuffix(EXPECTED) for path in folder.glob(f"*{EXPECTED}")} == names
