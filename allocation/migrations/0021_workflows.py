import django.db.models.deletion
import finops.domains
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0020_predictions"),
    ]

    operations = [
        migrations.CreateModel(
            name="AgentDay",
            fields=[
                ("charge_date", models.DateField(primary_key=True, serialize=False)),
                ("stale", models.BooleanField(default=False)),
                (
                    "borne",
                    models.CharField(
                        help_text="Digest of who bore the day's usage (AllocatedDay.borne).", max_length=32
                    ),
                ),
                ("at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "db_table": "agent_day",
            },
        ),
        migrations.CreateModel(
            name="AgentTask",
            fields=[
                ("feature", models.TextField(blank=True)),
                ("environment", models.TextField(blank=True)),
                (
                    "currency",
                    models.CharField(
                        blank=True, help_text="Of the prices of its calls; empty: none has one.", max_length=3
                    ),
                ),
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "charge_date", "query_id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("charge_date", models.DateField()),
                ("query_id", models.BigIntegerField(help_text="Hash of the trace.")),
                ("begins_at", models.DateTimeField()),
                ("tier", models.CharField(max_length=10)),
                ("calls", finops.domains.CountField()),
                ("agents", finops.domains.CountField(help_text="Distinct names of agents.")),
                (
                    "depth",
                    finops.domains.CountField(
                        help_text="Agents above one another; NULL: no call says who called it.", null=True
                    ),
                ),
                (
                    "fan_out",
                    finops.domains.CountField(
                        help_text="Most agents that one called; NULL: no call says who called it.", null=True
                    ),
                ),
                ("retries", finops.domains.CountField()),
                ("failed", finops.domains.CountField(help_text="Calls that failed.")),
                (
                    "resent_uncached",
                    finops.domains.TokenField(
                        help_text="Input at most that the same agent had sent before, at the full price."
                    ),
                ),
                ("resent_cached", finops.domains.TokenField(help_text="The same, read from a cache.")),
                ("input", finops.domains.TokenField()),
                ("cost", finops.domains.MoneyNonNegativeField(decimal_places=12, max_digits=24)),
                ("unpriced", finops.domains.CountField(help_text="Calls without a price, or in another currency.")),
                ("broken", models.BooleanField(help_text="Its last call failed.")),
                (
                    "rounds",
                    finops.domains.CountField(
                        help_text="How often the same calls came one after another; NULL: no loop.", null=True
                    ),
                ),
                (
                    "cost_centre",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.team",
                    ),
                ),
            ],
            options={
                "db_table": "agent_task",
                "indexes": [models.Index(fields=["query_id"], name="agent_task_by_query")],
            },
        ),
        migrations.CreateModel(
            name="Runaway",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("feature", models.TextField(blank=True)),
                ("environment", models.TextField(blank=True)),
                (
                    "currency",
                    models.CharField(
                        blank=True, help_text="Of the prices of its calls; empty: none has one.", max_length=3
                    ),
                ),
                ("charge_date", models.DateField()),
                ("query_id", models.BigIntegerField()),
                ("begins_at", models.DateTimeField()),
                ("tier", models.CharField(max_length=10)),
                ("reason", models.CharField(help_text="calls, calls_cap, cost, cost_cap or loop.", max_length=10)),
                (
                    "value",
                    finops.domains.QuantityField(
                        decimal_places=12, help_text="Its calls, cost or rounds.", max_digits=30
                    ),
                ),
                (
                    "bound",
                    finops.domains.QuantityField(decimal_places=12, help_text="What the value passed.", max_digits=30),
                ),
                ("calls", finops.domains.CountField()),
                ("cost", finops.domains.MoneyNonNegativeField(decimal_places=12, max_digits=24)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("confirmed", "Confirmed"),
                            ("expected", "Expected"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=10,
                    ),
                ),
                ("found_at", models.DateTimeField(auto_now_add=True)),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                ("note", models.CharField(blank=True, max_length=300)),
                (
                    "cost_centre",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.team",
                    ),
                ),
            ],
            options={
                "db_table": "agent_runaway",
                "indexes": [models.Index(fields=["state", "-id"], name="agent_runaway_by_state")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("charge_date", "query_id", "reason"), name="task_runs_away_once_for_a_reason"
                    )
                ],
            },
        ),
    ]
