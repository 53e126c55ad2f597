import django.db.models.deletion
from django.db import migrations, models

from allocation.models.charges import RecordHash


def _plain(to, **more):
    """A foreign key without a constraint and an index of its own in the database."""
    return models.ForeignKey(
        db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, null=True, to=to, **more
    )


_OWNER = "Who bears it whatever the rules say; NULL: by the rules."
_CORRECTION = "The posting against a frozen month that it belongs to; owner is then who bears it, NULL: nobody."
_CORRECTED = "Whose cost is corrected; another one than owner below the limit of materiality."
_FIELDS = [
    ("charge", "owner", _plain("allocation.costcentre", related_name="+", help_text=_OWNER)),
    ("charge", "owner_team", _plain("allocation.team", related_name="+")),
    ("charge", "origin", _plain("allocation.charge", related_name="parts")),
    ("charge", "correction", _plain("allocation.correction", related_name="charges", help_text=_CORRECTION)),
    ("charge", "corrects_centre", _plain("allocation.costcentre", related_name="+", help_text=_CORRECTED)),
    ("charge", "corrects_team", _plain("allocation.team", related_name="+")),
    ("allocatedcost", "rule", _plain("allocation.allocationrule")),
    ("allocatedcost", "cost_centre", _plain("allocation.costcentre")),
    ("allocatedcost", "team", _plain("allocation.team")),
    (
        "allocatedcost",
        "charge",
        models.ForeignKey(
            db_constraint=False, db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="allocated",
            to="allocation.charge",
        ),
    ),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("allocation", "0015_corrections")]

    operations = [
        migrations.CreateModel(
            name="DayCalls",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "charge_date", "part", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("charge_date", models.DateField()),
                ("part", models.SmallIntegerField()),
                (
                    "begun",
                    models.BinaryField(
                        help_text="Calls of queries that begin this day (allocation.calc.query_costs.Calls)."
                    ),
                ),
                ("going_on", models.BinaryField(help_text="Calls of queries that began before; NULL: none.", null=True)),
                ("stale", models.BooleanField(default=True)),
            ],
            options={"db_table": "day_calls"},
        ),
        # packed already: PostgreSQL need not try to
        migrations.RunSQL(
            "ALTER TABLE day_calls ALTER COLUMN begun SET STORAGE EXTERNAL, ALTER COLUMN going_on SET STORAGE EXTERNAL",
            migrations.RunSQL.noop,
        ),
        migrations.RemoveConstraint(model_name="charge", name="charge_is_unique"),
        migrations.RemoveIndex(model_name="charge", name="charge_by_slice"),
        *(migrations.AlterField(model_name=model, name=name, field=field) for model, name, field in _FIELDS),
        *(
            migrations.AddIndex(
                model_name="charge",
                index=models.Index(
                    fields=[name], name=f"charge_by_{name}", condition=models.Q(**{f"{name}__isnull": False})
                ),
            )
            for name in ("owner", "origin", "correction")
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                models.F("charge_date"),
                models.F("usage_key_id"),
                RecordHash(
                    "tier", "tier_estimated", "sku_id", "sku_price_id", "price_class", "charge_category",
                    "charge_class", "billing_currency", "provenance", "scope", "cause", "subject", "commitment_id",
                    "commitment_status", "owner", "owner_team", "original_currency", "origin", "correction",
                    "corrects_centre", "corrects_team", "reversal",
                ),
                name="charge_is_unique",
                nulls_distinct=False,
            ),
        ),
    ]
