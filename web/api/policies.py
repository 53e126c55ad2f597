"""/api/v1/posting-matrix, statement-policy, delivery-plan, close-policy: what books and closes are made by."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from allocation.calc import close_policy, gl, statement_policy
from allocation.close import policy
from finops.models import Approval
from web import approving, delivery_plan
from web.api import cursors, documents
from web.api.inline import inline_serializer
from web.api.permissions import KeepsBooks

_WHOLE = "What holds, with the defaults in place of what `entries` leave out; proposed, it changes nothing."
_MATRIX = serializers.DictField(help_text="As in the file: suspense, liabilities, intercompany, payers, entries.")


class NewMatrix(serializers.Serializer[Any]):
    """The whole posting matrix: it replaces the one in force, and what it leaves out is as shipped."""

    entries = _MATRIX


class _BooksView(documents.DocumentView):
    """A document of the books: analyst, finance and auditor read it, finance prepares another."""

    permission_classes = [KeepsBooks]
    ask = staticmethod(approving.propose_document)


class _MatrixView(_BooksView):
    """The posting matrix."""

    shape = dict
    takes = NewMatrix

    def get(self, request: Request) -> Response:
        """The version in force, as it was written, and all that holds."""
        cursors.known_only(request, ())
        found = documents.in_force(self.kind)
        entries = found["entries"] or {}  # of an empty file, and where none was loaded, it is a list
        return Response(found | {"entries": entries, "effective": {**gl.DEFAULT, **entries}})


def _ask_policy(kind: str, document: Any, *, by: str) -> Approval:  # noqa: ARG001 - there is one kind
    return policy.propose(document, by=by)


class _ClosePolicyView(_BooksView):
    """The close policy."""

    ask = staticmethod(_ask_policy)

    def get(self, request: Request) -> Response:
        """The version in force, as it was written, and all that holds; frozen months keep the one that they have."""
        cursors.known_only(request, ())
        return Response(documents.in_force(self.kind) | {"effective": close_policy.entries_of(policy.in_force())})


_MATRIX_OUT: dict[str, Any] = {
    **documents.IN_FORCE, "entries": _MATRIX, "effective": serializers.DictField(help_text=_WHOLE),
}  # fmt: skip
_POLICY_OUT: dict[str, Any] = {
    **documents.IN_FORCE,
    "effective": serializers.ListField(child=serializers.DictField(), help_text=_WHOLE),
}
PostingMatrixView = documents.view(
    _MatrixView, gl.KIND, "The posting matrix", tag="books", name="posting_matrix",
    out=inline_serializer("PostingMatrixInForce", _MATRIX_OUT),
)  # fmt: skip
StatementPolicyView = documents.view(
    _BooksView, statement_policy.KIND, "Who gets which statement, and how long it may be disputed", tag="statements"
)
DeliveryPlanView = documents.view(
    _BooksView, delivery_plan.KIND, "Which files go where on which working day", tag="exports", name="delivery_plan"
)
ClosePolicyView = documents.view(
    _ClosePolicyView, close_policy.KIND, "Gates, holidays and tasks of a close", tag="periods",
    out=inline_serializer("ClosePolicyInForce", _POLICY_OUT),
)  # fmt: skip
