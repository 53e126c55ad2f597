"""/api/v1/calculators/customer_margins: who pays less than their queries cost."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from allocation import selectors
from allocation.calc.claims import rounded
from allocation.calc.contracts_fields import AgreementError, exact
from allocation.calc.unit_economics_customers import Customer, Margins, margins, spread_of
from allocation.scope import scope_of
from allocation.value.unit_economics import of_month
from finops.periods import Period, PeriodError
from web.api import calculators_docs as docs
from web.api import cursors
from web.api.posting import PARAMETER, once
from web.api.problems import answers
from web.api.resource import Resource

MOST = 10_000
_MONEY = 10**12
_EXAMPLE = OpenApiExample(
    "customers given", request_only=True,
    value={
        "price": "2", "fixed": "0",
        "customers": [{"name": "a", "queries": 1, "cost": "1"}, {"name": "b", "queries": 2, "cost": "3"}],
    },
)  # fmt: skip


class CustomerMarginsView(Resource):
    """Margins of customers."""

    @extend_schema(
        operation_id="calculators_customer_margins", tags=["calculators"], summary="Margins of customers",
        parameters=[PARAMETER], request=docs.CustomersIn, examples=[_EXAMPLE],
        responses={200: docs.CUSTOMERS, **answers(400, 401, 403, 409, 413, 415, 422)},
    )  # fmt: skip
    @once
    def post(self, request: Request) -> Response:
        """What is left of a flat price, customer by customer: of one's own month, or of those that are given. Exact."""
        cursors.known_only(request, ())
        body = docs.CustomersIn(data=request.data)
        body.is_valid(raise_exception=True)
        if isinstance(request.data, dict) and (unknown := sorted(set(request.data) - set(body.fields))):
            raise ValidationError({unknown[0][:60]: "is not known"})
        asked = body.validated_data
        price, fixed = _amount(asked["price"], "price"), _amount(asked.get("fixed", "0"), "fixed")
        try:
            if "customers" in asked:
                if "month" in asked or "by" in asked:
                    raise ValidationError({"customers": "are given: month and by are of one's own"})
                return Response(_told(_given(asked["customers"], price, fixed), Decimal(0), price))
            by, period = asked.get("by", "cost_centre"), _month(request, asked.get("month"))
            found, unnamed = of_month(scope_of(request.user), period, by, price, fixed)
        except ValueError as wrong:
            raise ValidationError({"price": str(wrong)}) from None
        return Response(_told(found, unnamed, price, str(period), by))


def _month(request: Request, text: str | None) -> Period:
    try:
        if text is not None:
            return Period.month(text)
        months = selectors.months(scope_of(request.user))
        if not months:
            raise ValidationError({"month": "no month has cost yet: give customers, or import usage"})
        return Period.month(months[0])
    except PeriodError as wrong:
        raise ValidationError({"month": str(wrong)}) from None


def _given(rows: list[dict[str, Any]], price: Decimal, fixed: Decimal) -> Margins:
    if len(rows) > MOST:
        raise ValidationError({"customers": f"at most {MOST:,}"})
    found = [
        Customer(row["name"], row["queries"], _amount(row["cost"], f"customers {number}: cost"))
        for number, row in enumerate(rows, start=1)
    ]
    return margins(price, fixed, found, spread_of(found))


def _amount(text: str, where: str) -> Decimal:
    try:
        return exact(text.strip(), where, most=_MONEY)
    except AgreementError as wrong:
        raise ValidationError({where.partition(" ")[0]: str(wrong)}) from None


def _told(
    found: Margins, unnamed: Decimal, price: Decimal, month: str | None = None, by: str | None = None
) -> dict[str, Any]:
    return {
        "month": month, "by": by, "currency": settings.REPORT_CURRENCY if month else None, "price": _money(price),
        "revenue": _money(found.revenue), "cost": _money(found.cost), "fixed": _money(found.fixed),
        "margin": _money(found.margin), "unnamed": _money(unnamed), "customers": len(found.rows),
        "loss_making": found.loss_making, "loss_share": _share(found.loss_share),
        "break_even": [
            {"at": one.name, "query_cost": None if one.cost is None else _money(one.cost), "queries": _share(one.queries)}
            for one in found.break_even
        ],
        "results": [
            {
                "name": row.customer.name, "queries": row.customer.queries, "cost": _money(row.customer.cost),
                "margin": _money(row.margin), "margin_share": _share(row.share), "cost_share": _share(row.cost_share),
            }
            for row in found.rows
        ],
    }  # fmt: skip


def _money(amount: Decimal) -> str:
    return f"{amount:.12f}"


def _share(value: Fraction | None) -> str | None:
    return None if value is None else f"{rounded(value, 'share'):f}"
