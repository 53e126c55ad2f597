import django.db.models.deletion
from django.db import migrations, models


# A temporary table of the same name would else be seen before the one that a guard asks.
GUARDS_LOOK_IN_PUBLIC_FIRST = """
DO $$ DECLARE guard regprocedure; BEGIN
    FOR guard IN SELECT DISTINCT t.tgfoid::regprocedure FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER FUNCTION %s SET search_path = public, pg_temp', guard); END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("allocation", "0014_statements")]

    operations = [
        migrations.AddField(
            model_name="billingperiod",
            name="restated_rules",
            field=models.IntegerField(
                help_text="Version of the rules by which corrections are made since the month was allocated anew.", null=True
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="corrects_centre",
            field=models.ForeignKey(
                help_text="Whose cost is corrected; another one than owner below the limit of materiality.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="allocation.costcentre",
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="corrects_team",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocation.team"
            ),
        ),
        migrations.RemoveConstraint(model_name="charge", name="charge_is_unique"),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(
                fields=(
                    "charge_date",
                    "usage_key_id",
                    "tier",
                    "tier_estimated",
                    "sku_id",
                    "sku_price_id",
                    "price_class",
                    "charge_category",
                    "charge_class",
                    "billing_currency",
                    "provenance",
                    "scope",
                    "cause",
                    "subject",
                    "commitment_id",
                    "commitment_status",
                    "owner",
                    "owner_team",
                    "original_currency",
                    "origin",
                    "correction",
                    "corrects_centre",
                    "corrects_team",
                    "reversal",
                ),
                name="charge_is_unique",
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            model_name="costdaily",
            name="corrects_date",
            field=models.DateField(help_text="Of a correction: the frozen day that it corrects.", null=True),
        ),
        migrations.AddIndex(
            model_name="costdaily",
            index=models.Index(
                condition=models.Q(("corrects_date__isnull", False)),
                fields=["corrects_date"],
                name="cost_daily_by_corrected_day",
            ),
        ),
        migrations.RemoveConstraint(model_name="costdaily", name="cost_daily_is_unique"),
        migrations.AddConstraint(
            model_name="costdaily",
            constraint=models.UniqueConstraint(
                fields=(
                    "charge_date",
                    "cost_centre",
                    "team",
                    "provider",
                    "model",
                    "tier",
                    "tier_estimated",
                    "environment",
                    "feature",
                    "provenance",
                    "billing_currency",
                    "basis",
                    "corrects_date",
                ),
                name="cost_daily_is_unique",
                nulls_distinct=False,
            ),
        ),
        migrations.RunSQL(GUARDS_LOOK_IN_PUBLIC_FIRST, migrations.RunSQL.noop),
    ]
