from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [('finops', '0002_approvals')]

    operations = []
