"""Golden expectations of a source's samples."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from ingest.calc.mapping import MappingError
from ingest.samples import EXPECTED, beside, canonical, expectation, samples
from ingest.source import Source
from ingest.source_faults import SourceFailed
from ingest.sources import UnknownKind, get_source
from web.management.base import Failed, LedgerCommand, RefusedHere, WrongUse


class Command(LedgerCommand):
    """Compares what a source makes of its samples with what is expected; ``--write`` adds expectations that lack."""

    help = "Check a source's samples against their expectations, or write expectations."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("kind", metavar="KIND", help="see `manage.py sources`")
        parser.add_argument("--write", action="store_true", help="write the expectations that do not exist yet")
        parser.add_argument("--force", action="store_true", help="with --write: replace those that differ")
        parser.add_argument("--folder", type=Path, default=Path(settings.BASE_DIR) / "tests" / "samples")

    def run(self, **options: Any) -> dict[str, Any]:
        folder: Path = options["folder"] / options["kind"]
        try:
            source = get_source(options["kind"])
        except UnknownKind as error:
            raise WrongUse(error) from None
        if not folder.is_dir():
            raise WrongUse(f"{folder} holds no samples; add some, with an ORIGIN.md that says whose they are")
        outcome: dict[str, Any] = {"kind": source.kind, "same": [], "written": [], "missing": [], "different": []}
        for sample in samples(folder):
            text, place = _expected(sample, source), beside(sample, EXPECTED)
            state = (
                "missing"
                if not place.exists()
                else "same"
                if place.read_text(encoding="utf-8") == text
                else "different"
            )
            if options["write"] and (state == "missing" or (state == "different" and options["force"])):
                place.write_text(text, encoding="utf-8")
                state = "written"
            outcome[state].append(sample.name)
        self.stdout.write(
            ", ".join(f"{len(outcome[name])} {name}" for name in ("same", "written", "missing", "different"))
        )
        if outcome["different"] and options["write"]:
            raise RefusedHere(
                f"{', '.join(outcome['different'])}: expects something else; --force replaces it", outcome
            )
        if outcome["different"] or outcome["missing"]:
            names = ", ".join(outcome["different"] + outcome["missing"])
            raise Failed(f"{names}: differs from its expectation or has none", outcome)
        return outcome


def _expected(sample: Path, source: Source) -> str:
    try:
        return canonical(expectation(sample, source))
    except SourceFailed as failed:
        raise Failed(f"{sample.name}: {failed}") from failed
    except MappingError as wrong:
        raise WrongUse(f"the mapping of {sample.name}: {wrong}") from None
