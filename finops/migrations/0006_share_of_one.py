from django.db import migrations

from finops.domains import DOMAINS

# A database that is made now has it from the first migration, which makes all domains.
SHARE_OF_ONE = f"""
DO $$ BEGIN
    IF to_regtype('share_of_one') IS NULL THEN CREATE DOMAIN share_of_one AS {DOMAINS["share_of_one"]}; END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("finops", "0005_decided_once")]

    operations = [migrations.RunSQL(SHARE_OF_ONE, migrations.RunSQL.noop)]
