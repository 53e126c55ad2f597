from django.db import migrations, models

# A request is decided once, by another person, and never rewritten; rates of exchange are published, never changed. Who may
# decide alone is told by the owner of the database (finops.database.roles), so that no SQL of the application says it.
DECIDED = """
CREATE FUNCTION approval_is_decided_once() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE decision constant text[] := ARRAY['state', 'decided_by', 'decided_at', 'reason'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'proposed' OR NEW.decided_by <> '' OR NEW.decided_at IS NOT NULL THEN
            RAISE EXCEPTION 'a request begins as a proposal: nobody has decided on it'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'DELETE of requests for approval is refused' USING ERRCODE = 'restrict_violation';
    END IF;
    IF to_jsonb(NEW) - decision <> to_jsonb(OLD) - decision THEN
        RAISE EXCEPTION 'request %: what is asked for, and by whom, does not change', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state <> 'proposed' THEN
        RAISE EXCEPTION 'request % was % by % already: a decision does not change', OLD.id, OLD.state, OLD.decided_by
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state NOT IN ('accepted', 'rejected', 'superseded') OR NEW.decided_by = '' OR NEW.decided_at IS NULL THEN
        RAISE EXCEPTION 'request %: a decision says which, by whom and when', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state = 'accepted' AND NEW.prepared_by = NEW.decided_by
        AND NOT EXISTS (SELECT FROM finops_ownersetting s WHERE s.name = 'self_approval' AND s.value) THEN
        RAISE EXCEPTION 'request % was prepared by %: another person has to approve it', OLD.id, OLD.prepared_by
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER approval_is_decided_once BEFORE INSERT OR UPDATE OR DELETE ON finops_approval
    FOR EACH ROW EXECUTE FUNCTION approval_is_decided_once();

CREATE FUNCTION approval_has_its_event() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM finops_auditevent e WHERE e.at >= now() AND e.actor = NEW.decided_by
        AND e.details @> jsonb_build_object('approval', NEW.id) AND e.action = NEW.kind
            || CASE NEW.state WHEN 'accepted' THEN '.approve' WHEN 'rejected' THEN '.reject' ELSE '.supersede' END
    ) THEN
        RAISE EXCEPTION 'request % is % without its event in the audit trail', NEW.id, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER approval_has_its_event AFTER UPDATE ON finops_approval DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION approval_has_its_event();

CREATE FUNCTION rows_are_only_added() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: its rows are added and never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER rates_are_only_added BEFORE UPDATE OR DELETE ON finops_fxrate
    FOR EACH ROW EXECUTE FUNCTION rows_are_only_added();
CREATE TRIGGER rates_are_not_truncated BEFORE TRUNCATE ON finops_fxrate
    FOR EACH STATEMENT EXECUTE FUNCTION rows_are_only_added();
CREATE TRIGGER approvals_are_not_truncated BEFORE TRUNCATE ON finops_approval
    FOR EACH STATEMENT EXECUTE FUNCTION rows_are_only_added();
"""

# The head of the audit trail is kept outside it: how many events there are, and the last one. It is advanced here and
# nowhere else (SECURITY DEFINER: the application only reads it), so a trail whose end was cut off is seen, and one goes on
# from the event that was last and not from the one that is left. The column names are those of finops.models.AuditHead.
CHAINED = """
CREATE FUNCTION audit_goes_on_from_its_head() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE previous bytea;
BEGIN
    SELECT h.hash INTO previous FROM finops_audithead h;
    IF NOT FOUND THEN
        SELECT e.hash INTO previous FROM finops_auditevent e ORDER BY e.id DESC LIMIT 1;
    END IF;
    IF NEW.previous_hash <> coalesce(previous, ''::bytea) OR length(NEW.hash) <> 32 THEN
        RAISE EXCEPTION 'an audit event goes on from the last one: its previous_hash is another'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.at NOT BETWEEN now() AND clock_timestamp() THEN
        RAISE EXCEPTION 'an audit event is of now, not of %', NEW.at USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_goes_on_from_its_head BEFORE INSERT ON finops_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_goes_on_from_its_head();

CREATE FUNCTION audit_advances_its_head() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_RELID <> 'public.finops_auditevent'::regclass THEN
        RAISE EXCEPTION 'only the audit trail advances its head' USING ERRCODE = 'restrict_violation';
    END IF;
    UPDATE finops_audithead SET events = events + 1, last = NEW.id, hash = NEW.hash;
    IF NOT FOUND THEN
        INSERT INTO finops_audithead (id, events, last, hash)
            VALUES (1, (SELECT count(*) FROM finops_auditevent), NEW.id, NEW.hash);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_advances_its_head AFTER INSERT ON finops_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_advances_its_head();
REVOKE ALL ON FUNCTION audit_advances_its_head() FROM PUBLIC;

INSERT INTO finops_audithead (id, events, last, hash)
    SELECT 1, (SELECT count(*) FROM finops_auditevent), e.id, e.hash FROM finops_auditevent e ORDER BY e.id DESC LIMIT 1;
"""
GONE = """
DROP TRIGGER audit_advances_its_head ON finops_auditevent;
DROP TRIGGER audit_goes_on_from_its_head ON finops_auditevent;
DROP TRIGGER approvals_are_not_truncated ON finops_approval;
DROP TRIGGER rates_are_not_truncated ON finops_fxrate;
DROP TRIGGER rates_are_only_added ON finops_fxrate;
DROP TRIGGER approval_has_its_event ON finops_approval;
DROP TRIGGER approval_is_decided_once ON finops_approval;
DROP FUNCTION audit_advances_its_head(); DROP FUNCTION audit_goes_on_from_its_head();
DROP FUNCTION approval_has_its_event(); DROP FUNCTION approval_is_decided_once(); DROP FUNCTION rows_are_only_added();
"""


class Migration(migrations.Migration):
    dependencies = [("finops", "0004_superseded")]

    operations = [
        migrations.CreateModel(
            name="OwnerSetting",
            fields=[
                ("name", models.CharField(max_length=60, primary_key=True, serialize=False)),
                ("value", models.BooleanField()),
            ],
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("events", models.BigIntegerField(help_text="How many there are.")),
                ("last", models.BigIntegerField(help_text="Id of the last one.")),
                ("hash", models.BinaryField(help_text="Of the last one.", max_length=32)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(id=1), name="audit_has_one_head"),
                ]
            },
        ),
        migrations.AddIndex(model_name="auditevent", index=models.Index(fields=["at"], name="audit_event_by_time")),
        migrations.RunSQL(DECIDED + CHAINED, GONE),
    ]
