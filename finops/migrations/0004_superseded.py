from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("finops", "0003_roles_and_audit")]

    operations = [
        migrations.AlterField(
            model_name="approval",
            name="state",
            field=models.CharField(
                choices=[
                    ("proposed", "Proposed"),
                    ("accepted", "Accepted"),
                    ("rejected", "Rejected"),
                    ("superseded", "Superseded"),
                ],
                default="proposed",
                max_length=10,
            ),
        ),
    ]
