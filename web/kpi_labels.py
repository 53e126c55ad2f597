"""Which labels of pages are key figures of the registry: said once, so that each carries its definition from there."""

from django.urls import reverse

from web import kpis

# Label in lower case -> code of its figure in web/kpis.yaml. The names of the registry are labels too.
LABELS = {
    "cost / query": "all_in_cost_per_query", "per query": "cost_per_query", "allocated": "allocation_coverage",
    "unallocated": "allocation_coverage", "unpriced": "unpriced_share", "unexplained": "unexplained_share",
    "estimated tiers": "estimated_share", "complex and research": "demanding_share", "accruals were right": "accrual_error",
    "failed tasks": "failed_task_share", "utilisation": "commitment_utilisation", "return on spend": "roi",
    "roi-blind spend": "roi_blind_share", "cost per resolved": "cost_per_resolved_task",
    "per resolved": "cost_per_resolved_task", "per resolved task": "cost_per_resolved_task",
}  # fmt: skip


def code_of(label: str) -> str | None:
    """The figure that a label names; None: none of the registry's."""
    wanted = " ".join(label.split()).lower()
    named = {kpi.name.lower(): kpi.code for kpi in kpis.registry().kpis}
    return LABELS.get(wanted) or named.get(wanted)


def told(code: str) -> str:
    """The definition of a figure in a line. Raises KeyError."""
    kpi = kpis.registry().of(code)
    target = (
        f" Target: {'at most' if kpi.better == 'lower' else 'at least'} {kpi.target.value.normalize():f}."
        if kpi.target
        else ""
    )
    return f"{kpi.name}: {kpi.words} Made of: {kpi.formula}.{target}"


def address(code: str) -> str:
    """Where the figure is explained."""
    return f"{reverse('kpis')}#{code}"
