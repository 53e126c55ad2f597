"""Tokens that a bill prices get a column; days of several layers are derived again, by the rules as they are now."""

from django.db import migrations, models

AGAIN = (
    "INSERT INTO ingest_dirtyslice (charge_date, usage_key_id, at) SELECT charge_date, 0, now() FROM allocation_layerday "
    "ON CONFLICT DO NOTHING"
)


class Migration(migrations.Migration):
    dependencies = [
        ("allocation", "0003_layers_of_truth"),
        ("ingest", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="costdaily",
            name="bill_priced_tokens",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunSQL(AGAIN, migrations.RunSQL.noop),
    ]
