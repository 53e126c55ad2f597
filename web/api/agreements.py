"""/api/v1/contracts, commitments, capacity, other-charges: the agreements in force, and proposals for others."""

from web import approving
from web.api import documents


class AgreementsView(documents.DocumentView):
    """Agreements of one kind."""

    ask = staticmethod(approving.propose_agreements)


def of(kind: str, summary: str) -> type[AgreementsView]:
    """The view of one kind of agreements."""
    return documents.view(AgreementsView, kind, summary, tag="agreements")
