from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ingest", "0006_dirty_slice_text")]

    operations = [
        migrations.AddField(
            model_name="heldprice",
            name="removes",
            field=models.BooleanField(default=False, help_text="It is this price that would go."),
        ),
    ]
