import django.db.models.deletion
from django.db import migrations, models

import finops.domains


class Migration(migrations.Migration):
    dependencies = [("allocation", "0019_decided_once")]

    operations = [
        migrations.CreateModel(
            name="LearntPredictor",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("learnt_at", models.DateTimeField(auto_now_add=True)),
                ("since", models.DateField()),
                ("through", models.DateField(help_text="Last day whose queries it knows.")),
                ("queries", models.IntegerField(help_text="Queries it was learnt from.")),
                ("every", models.IntegerField(help_text="Of so many queries one was looked at.")),
                ("currency", models.CharField(help_text="Of its costs.", max_length=3)),
                ("content", models.BinaryField(help_text="allocation.calc.predict_store.")),
                ("content_hash", models.CharField(max_length=64)),
                (
                    "served",
                    models.JSONField(
                        default=dict, help_text="Model as it is asked for: as it is served, where that differs."
                    ),
                ),
                (
                    "checked_since",
                    models.DateField(
                        help_text="First day that was predicted from the days before it alone.", null=True
                    ),
                ),
                (
                    "checked",
                    models.JSONField(
                        default=list,
                        help_text="How that fared: (cost centre, feature, predict_tracking.Counts); the largest of them.",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Prediction",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("query_id", models.BigIntegerField(help_text="Hash of the trace, as facts know it.", unique=True)),
                ("asked_at", models.DateTimeField()),
                ("asked_by", models.CharField(max_length=150)),
                ("through", models.DateField(help_text="Last day of the history that it was predicted from.")),
                ("feature", models.CharField(max_length=512)),
                ("request", models.JSONField(help_text="Features of the query as they were stated.")),
                (
                    "candidates",
                    models.JSONField(
                        help_text="Model (*: any): tier, bounds of cost in the site's currency as text or null."
                    ),
                ),
                (
                    "began_at",
                    models.DateTimeField(help_text="First call of the query; NULL: none has come.", null=True),
                ),
                (
                    "late",
                    models.BooleanField(
                        default=False, help_text="It was asked after its first call, and counts nowhere."
                    ),
                ),
                ("model", models.CharField(blank=True, help_text="As it came.", max_length=512)),
                ("tier", models.CharField(blank=True, help_text="As it came.", max_length=10)),
                ("output_tokens", finops.domains.TokenField(null=True)),
                ("calls", models.IntegerField(null=True)),
                (
                    "cost",
                    finops.domains.MoneyNonNegativeField(
                        decimal_places=12,
                        help_text="As it came; NULL: some of it has no price.",
                        max_digits=24,
                        null=True,
                    ),
                ),
                (
                    "predicted",
                    models.CharField(blank=True, help_text="Tier of the model that came, or unknown.", max_length=10),
                ),
                ("cost_low", finops.domains.MoneyNonNegativeField(decimal_places=12, max_digits=24, null=True)),
                ("cost_high", finops.domains.MoneyNonNegativeField(decimal_places=12, max_digits=24, null=True)),
                (
                    "borne_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
                (
                    "cost_centre",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="allocation.costcentre",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["asked_at"], name="prediction_by_instant")],
            },
        ),
    ]
