import django.db.models.deletion
import finops.domains
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0017_allocated_day"),
        ("finops", "0006_share_of_one"),
    ]

    operations = [
        migrations.CreateModel(
            name="BenchmarkRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("source", models.CharField(max_length=100)),
                ("number", models.CharField(max_length=200)),
                ("observed_at", models.DateTimeField()),
                ("task_class", models.CharField(max_length=100)),
                (
                    "features",
                    models.JSONField(default=list, help_text="Own features (use cases) that the class stands for."),
                ),
                ("model", models.CharField(max_length=200)),
                (
                    "effort",
                    models.CharField(
                        blank=True, help_text="Reasoning effort or budget; empty: the only one.", max_length=40
                    ),
                ),
                ("tasks", models.IntegerField(help_text="How many tasks were tried.")),
                (
                    "score",
                    finops.domains.ShareField(
                        decimal_places=6, help_text="0 to 1: share resolved, or mean score.", max_digits=7
                    ),
                ),
                (
                    "cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12, help_text="Of the whole run; NULL: not known.", max_digits=24, null=True
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("input_tokens", finops.domains.TokenField(null=True)),
                ("output_tokens", finops.domains.TokenField(null=True)),
                ("run_on", models.DateField()),
                (
                    "evidence",
                    models.CharField(
                        choices=[("measured", "Measured"), ("declared", "Declared"), ("none", "None")], max_length=8
                    ),
                ),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("source", "number"), name="benchmark_run_is_unique_in_its_source"),
                    models.CheckConstraint(
                        condition=models.Q(("score__gte", 0), ("score__lte", 1), ("tasks__gte", 1)),
                        name="score_is_from_0_to_1",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Comparison",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("dimension", models.CharField(help_text="model, effort or tier.", max_length=10)),
                ("base", models.CharField(max_length=200)),
                ("candidate", models.CharField(max_length=200)),
                ("feature", models.CharField(blank=True, help_text="Empty: all.", max_length=200)),
                (
                    "margin",
                    finops.domains.ShareField(
                        decimal_places=6, help_text="Of the share resolved that may be lost.", max_digits=7
                    ),
                ),
                (
                    "starts_on",
                    models.DateField(help_text="Outcomes from this day on count; not before it was declared."),
                ),
                ("declared_at", models.DateTimeField(auto_now_add=True)),
                ("declared_by", models.CharField(max_length=150)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("dimension", "base", "candidate", "feature", "starts_on"),
                        name="comparison_is_declared_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("margin__gte", 0), ("margin__lt", 1)), name="margin_is_from_0_to_1"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Outcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="When the source knew it; the latest wins in every order of arrival."
                    ),
                ),
                ("content_hash", models.CharField(max_length=32)),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
                (
                    "task",
                    models.CharField(
                        help_text="The business result; several attempts, or features, share it.", max_length=310
                    ),
                ),
                (
                    "setting",
                    models.CharField(default="production", help_text="production or benchmark.", max_length=10),
                ),
                ("at", models.DateTimeField(help_text="When the outcome was reached, or missed.")),
                (
                    "spend_month",
                    models.DateField(help_text="First day of the month whose cost worked towards it: its cohort."),
                ),
                (
                    "query_id",
                    models.BigIntegerField(
                        help_text="The query, by the hash of its trace; NULL: not named.", null=True
                    ),
                ),
                ("feature", models.CharField(blank=True, max_length=200)),
                ("tier", models.CharField(blank=True, max_length=10)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("effort", models.CharField(blank=True, max_length=40)),
                ("success", models.BooleanField()),
                (
                    "quality",
                    finops.domains.ShareField(
                        decimal_places=6, help_text="0 to 1 by the rubric.", max_digits=7, null=True
                    ),
                ),
                (
                    "rubric",
                    models.CharField(
                        blank=True, help_text="Name and version of what the quality is scored by.", max_length=100
                    ),
                ),
                (
                    "value",
                    finops.domains.MoneyField(
                        decimal_places=12,
                        help_text="What the result is worth; NULL: nobody says.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12,
                        help_text="Cost of this attempt as its source knows it; NULL: it does not.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "fallback_cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12,
                        help_text="What people cost who took over; NULL: nobody did.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                ("currency", models.CharField(blank=True, help_text="Of value and costs.", max_length=3)),
                (
                    "evidence",
                    models.CharField(
                        choices=[("measured", "Measured"), ("declared", "Declared"), ("none", "None")], max_length=8
                    ),
                ),
                ("source", models.CharField(max_length=100)),
                ("number", models.CharField(help_text="The source's own id of it.", max_length=200)),
                ("counts", models.BooleanField(default=False)),
                (
                    "claims",
                    models.JSONField(
                        default=list, help_text="Features that any statement named, where there are several."
                    ),
                ),
                (
                    "cost_centre",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocation.team"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="OutcomeHistory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="When the source knew it; the latest wins in every order of arrival."
                    ),
                ),
                ("content_hash", models.CharField(max_length=32)),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
                (
                    "task",
                    models.CharField(
                        help_text="The business result; several attempts, or features, share it.", max_length=310
                    ),
                ),
                (
                    "setting",
                    models.CharField(default="production", help_text="production or benchmark.", max_length=10),
                ),
                ("at", models.DateTimeField(help_text="When the outcome was reached, or missed.")),
                (
                    "spend_month",
                    models.DateField(help_text="First day of the month whose cost worked towards it: its cohort."),
                ),
                (
                    "query_id",
                    models.BigIntegerField(
                        help_text="The query, by the hash of its trace; NULL: not named.", null=True
                    ),
                ),
                ("feature", models.CharField(blank=True, max_length=200)),
                ("tier", models.CharField(blank=True, max_length=10)),
                ("model", models.CharField(blank=True, max_length=200)),
                ("effort", models.CharField(blank=True, max_length=40)),
                ("success", models.BooleanField()),
                (
                    "quality",
                    finops.domains.ShareField(
                        decimal_places=6, help_text="0 to 1 by the rubric.", max_digits=7, null=True
                    ),
                ),
                (
                    "rubric",
                    models.CharField(
                        blank=True, help_text="Name and version of what the quality is scored by.", max_length=100
                    ),
                ),
                (
                    "value",
                    finops.domains.MoneyField(
                        decimal_places=12,
                        help_text="What the result is worth; NULL: nobody says.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12,
                        help_text="Cost of this attempt as its source knows it; NULL: it does not.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "fallback_cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12,
                        help_text="What people cost who took over; NULL: nobody did.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                ("currency", models.CharField(blank=True, help_text="Of value and costs.", max_length=3)),
                (
                    "evidence",
                    models.CharField(
                        choices=[("measured", "Measured"), ("declared", "Declared"), ("none", "None")], max_length=8
                    ),
                ),
                (
                    "cost_centre",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
                (
                    "outcome",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="history", to="allocation.outcome"
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocation.team"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Benefit",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("effect", models.CharField(help_text="Code of the effect: handling-cost-support.", max_length=100)),
                (
                    "month",
                    models.DateField(help_text="First day of the month whose spend brought it about: its cohort."),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("cash", "Cash"), ("capacity", "Capacity"), ("quality", "Quality")], max_length=10
                    ),
                ),
                ("basis", models.CharField(default="stated", help_text="stated, or outcomes.", max_length=10)),
                (
                    "pnl_line",
                    models.CharField(
                        blank=True, help_text="Line of profit and loss; of cash benefits.", max_length=200
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        help_text="ISO 4217 of cash, hours of capacity, else what is counted.", max_length=20
                    ),
                ),
                (
                    "features",
                    models.JSONField(
                        default=dict, help_text="Feature: its share as text; shares sum to 1. Empty: all of them."
                    ),
                ),
                (
                    "baseline",
                    finops.domains.QuantityField(
                        decimal_places=12,
                        help_text="Without it, per month, in the unit; NULL: of outcomes.",
                        max_digits=30,
                        null=True,
                    ),
                ),
                (
                    "actual",
                    finops.domains.QuantityField(
                        decimal_places=12, help_text="With it, in the unit.", max_digits=30, null=True
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        default="decrease", help_text="decrease or increase is the benefit.", max_length=8
                    ),
                ),
                (
                    "realisation",
                    finops.domains.ShareField(
                        decimal_places=6, help_text="How much of it is realised, 0 to 1.", max_digits=7
                    ),
                ),
                (
                    "evidence",
                    models.CharField(
                        choices=[("measured", "Measured"), ("declared", "Declared"), ("none", "None")], max_length=8
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True, help_text="Where the evidence is kept: code or address.", max_length=300
                    ),
                ),
                (
                    "matures_on",
                    models.DateField(
                        help_text="From when on the benefit of this cohort is expected to be known whole."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("claimed", "Claimed"),
                            ("attested", "Attested"),
                            ("accepted", "Accepted"),
                            ("refused", "Refused"),
                        ],
                        default="claimed",
                        max_length=8,
                    ),
                ),
                ("claimed_by", models.CharField(max_length=150)),
                ("claimed_at", models.DateTimeField(auto_now_add=True)),
                ("attested_by", models.CharField(blank=True, max_length=150)),
                ("attested_at", models.DateTimeField(null=True)),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "approval",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="benefit",
                        to="finops.approval",
                    ),
                ),
                (
                    "cost_centre",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocation.costcentre"
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="allocation.team"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("effect", "month"), name="effect_is_claimed_once_a_month"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "cash"), models.Q(("pnl_line", ""), _negated=True)),
                            models.Q(models.Q(("kind", "cash"), _negated=True), ("pnl_line", "")),
                            _connector="OR",
                        ),
                        name="cash_alone_names_a_line_of_profit_and_loss",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("realisation__gte", 0), ("realisation__lte", 1)),
                        name="realisation_is_from_0_to_1",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="outcome",
            index=models.Index(fields=["setting", "task"], name="outcome_by_task"),
        ),
        migrations.AddIndex(
            model_name="outcome",
            index=models.Index(fields=["spend_month", "cost_centre"], name="outcome_by_cohort"),
        ),
        migrations.AddConstraint(
            model_name="outcome",
            constraint=models.UniqueConstraint(fields=("source", "number"), name="outcome_is_unique_in_its_source"),
        ),
        migrations.AddConstraint(
            model_name="outcome",
            constraint=models.UniqueConstraint(
                condition=models.Q(("counts", True)), fields=("setting", "task"), name="task_counts_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="outcome",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("quality__isnull", True), models.Q(("quality__gte", 0), ("quality__lte", 1)), _connector="OR"
                ),
                name="quality_is_from_0_to_1",
            ),
        ),
        migrations.AddConstraint(
            model_name="outcome",
            constraint=models.CheckConstraint(
                condition=models.Q(("spend_month__day", 1)), name="cohort_is_the_first_of_a_month"
            ),
        ),
        migrations.AddConstraint(
            model_name="outcomehistory",
            constraint=models.UniqueConstraint(
                fields=("outcome", "observed_at", "content_hash"), name="outcome_statement_is_kept_once"
            ),
        ),
    ]
