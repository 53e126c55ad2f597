import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("allocation", "0016_narrow_uniqueness")]

    operations = [
        migrations.CreateModel(
            name="AllocatedDay",
            fields=[
                ("charge_date", models.DateField(primary_key=True, serialize=False)),
                ("rules", models.IntegerField(help_text="Number of the version of the rules; 0: none was loaded.")),
                (
                    "borne",
                    models.JSONField(
                        help_text="Usage key -> what the rules make of it, as a digest, and who bears its cost."
                    ),
                ),
            ],
            options={"db_table": "allocated_day"},
        ),
        *(
            migrations.AlterField(
                model_name=model,
                name=name,
                field=models.ForeignKey(
                    db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT,
                    to=f"allocation.{to}",
                ),
            )
            for model, name, to in (
                ("costdaily", "cost_centre", "costcentre"), ("costdaily", "team", "team"),
                ("querycostdaily", "cost_centre", "costcentre"),
            )
        ),
    ]  # fmt: skip
