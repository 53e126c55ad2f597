from django.db import migrations, models

GUARD = """
CREATE FUNCTION passed_gates_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION '% is %: what its gates measured does not change', to_char(OLD.month, 'YYYY-MM'), OLD.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER passed_gates_are_kept BEFORE UPDATE ON allocation_billingperiod FOR EACH ROW
    WHEN (OLD.state IN ('soft_closed', 'closed') AND NEW.state = OLD.state AND NEW.passed_gates IS DISTINCT FROM OLD.passed_gates)
    EXECUTE FUNCTION passed_gates_are_kept();
"""
GONE = "DROP TRIGGER passed_gates_are_kept ON allocation_billingperiod; DROP FUNCTION passed_gates_are_kept();"


class Migration(migrations.Migration):
    dependencies = [("allocation", "0022_tier_ledger")]

    operations = [
        migrations.AddField(
            "billingperiod",
            "passed_gates",
            models.JSONField(
                db_default=models.Value([], models.JSONField()), default=list, help_text="Its gates as they were measured at its last step."
            ),
        ),
        migrations.RunSQL(GUARD, GONE),
    ]
