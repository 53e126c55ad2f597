import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("allocation", "0021_workflows")]

    operations = [
        migrations.CreateModel(
            name="BucketSpread",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "charge_date", "usage_key_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("charge_date", models.DateField()),
                ("usage_key_id", models.IntegerField()),
                ("source", models.CharField(max_length=10)),
                ("queries", models.BigIntegerField(help_text="Observed queries that it rests on; 0: none.")),
            ],
            options={"db_table": "bucket_spread"},
        ),
        migrations.CreateModel(
            name="RuleDay",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "charge_date", "tier_rule_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("charge_date", models.DateField()),
                ("tier_rule_id", models.SmallIntegerField()),
                ("queries", models.BigIntegerField()),
            ],
            options={"db_table": "rule_day"},
        ),
        migrations.CreateModel(
            name="TierDiff",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.DateField()),
                ("end", models.DateField(help_text="The day after the last.")),
                ("made_at", models.DateTimeField(auto_now=True)),
                (
                    "applied",
                    models.BooleanField(help_text="The days were classified anew; otherwise it was only looked at."),
                ),
                ("result", models.JSONField(help_text="allocation.reclassify.written: money as text.")),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="diffs", to="allocation.tierpolicy"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("policy", "start", "end", "applied"), name="tier_diff_is_unique")
                ]
            },
        ),
    ]
