from django.db import migrations, models

_HELP = "Hash of the agent that called this one, 0: nobody did; NULL: not known."


class Migration(migrations.Migration):
    """A column that is NULL takes no byte of a row, and adding it rewrites none."""

    dependencies = [("ingest", "0007_held_removals")]

    operations = [
        migrations.AddField(
            model_name=name, name="caller", field=models.IntegerField(null=True, help_text=_HELP)
        )
        for name in ("usageevent", "usageeventhistory")
    ]
