from django.db import migrations

# What a close hangs on is added and never changed: rules, agreements, invoices, waivers, postings. A version that a frozen
# month was computed with gets no more rules; a waiver and a reopening need the request that another person accepted, and a
# reopening its event in the audit trail. Finops 0005 sees to the requests.
GUARDS = """
CREATE FUNCTION agreements_are_only_replaced() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'live' <> to_jsonb(OLD) - 'live' OR (NEW.live AND NOT OLD.live) THEN
        RAISE EXCEPTION '% of % v% is refused: a version is replaced by a newer one and never changed',
            TG_OP, OLD.kind, OLD.number USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreements_are_only_replaced BEFORE UPDATE OR DELETE ON allocation_termsversion
    FOR EACH ROW EXECUTE FUNCTION agreements_are_only_replaced();

CREATE FUNCTION frozen_rules_are_whole() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE frozen date;
BEGIN
    SELECT p.month INTO frozen FROM allocation_billingperiod p JOIN allocation_ruleversion v ON v.id = NEW.version_id
        WHERE p.state IN ('soft_closed', 'closed') AND p.frozen_versions #>> '{rules,number}' = v.number::text LIMIT 1;
    IF frozen IS NOT NULL THEN
        RAISE EXCEPTION '% is closed: INSERT of a rule into the version it was computed with is refused',
            to_char(frozen, 'YYYY-MM') USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER frozen_rules_are_whole BEFORE INSERT ON allocation_allocationrule
    FOR EACH ROW EXECUTE FUNCTION frozen_rules_are_whole();

CREATE FUNCTION waiver_was_accepted() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM finops_approval a JOIN allocation_billingperiod p ON p.id = NEW.period_id
        WHERE a.id = NEW.approval_id AND a.kind = 'period.waiver' AND a.state = 'accepted'
        AND a.details ->> 'month' = to_char(p.month, 'YYYY-MM') AND a.details ->> 'version' = NEW.version::text
        AND a.details ->> 'gate' = NEW.gate AND a.details ->> 'reason' = NEW.reason
        AND (a.details ->> 'value')::numeric = NEW.value AND p.state NOT IN ('soft_closed', 'closed')
    ) THEN
        RAISE EXCEPTION 'a waiver of % is kept only as another person accepted it, and before the month is frozen', NEW.gate
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER waiver_was_accepted BEFORE INSERT ON allocation_gatewaiver
    FOR EACH ROW EXECUTE FUNCTION waiver_was_accepted();

CREATE FUNCTION tasks_of_closed_months_stay() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE hand constant text[] := ARRAY['done_by', 'done_at'];
    month date;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'DELETE of tasks of a close is refused' USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT p.month INTO month FROM allocation_billingperiod p
        WHERE p.id = NEW.period_id AND (p.state = 'closed' OR p.version > NEW.version);
    IF month IS NOT NULL THEN
        RAISE EXCEPTION '% is closed: % of its tasks is refused', to_char(month, 'YYYY-MM'), TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - hand <> to_jsonb(OLD) - hand THEN
        RAISE EXCEPTION 'task % of a close stays as it was planned', OLD.code USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tasks_of_closed_months_stay BEFORE INSERT OR UPDATE OR DELETE ON allocation_closetask
    FOR EACH ROW EXECUTE FUNCTION tasks_of_closed_months_stay();

CREATE FUNCTION reopening_has_its_event() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE name text := to_char(NEW.month, 'YYYY-MM');
BEGIN
    IF NOT EXISTS (
        SELECT FROM finops_auditevent e JOIN finops_approval a ON e.details @> jsonb_build_object('approval', a.id)
        WHERE e.at >= now() AND e.action = 'period.reopen' AND e.subject = name
        AND e.details @> jsonb_build_object('version', NEW.version) AND a.kind = 'period.reopen' AND a.state = 'accepted'
        AND a.details ->> 'month' = name AND a.details ->> 'version' = OLD.version::text AND a.decided_by = e.actor
    ) THEN
        RAISE EXCEPTION '% is opened again without its event in the audit trail', name
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER reopening_has_its_event AFTER UPDATE ON allocation_billingperiod DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state IN ('soft_closed', 'closed') AND NEW.state = 'open')
    EXECUTE FUNCTION reopening_has_its_event();
"""
ADDED = ("allocation_gatewaiver", "allocation_correction", "allocation_ruleversion", "allocation_allocationrule", "invoice",
         "invoice_line")  # fmt: skip
TRUNCATED = (*ADDED, "allocation_termsversion", "allocation_closetask")
TRIGGERS = "".join(
    f"CREATE TRIGGER {table}_is_only_added BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION rows_are_only_added();"
    for table in ADDED
) + "".join(
    f"CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate_of_frozen_months();"
    for table in TRUNCATED
)
GONE = (
    "".join(f"DROP TRIGGER {table}_is_not_truncated ON {table};" for table in TRUNCATED)
    + "".join(f"DROP TRIGGER {table}_is_only_added ON {table};" for table in ADDED)
    + "".join(
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();"
        for name, table in (
            ("reopening_has_its_event", "allocation_billingperiod"), ("waiver_was_accepted", "allocation_gatewaiver"),
            ("tasks_of_closed_months_stay", "allocation_closetask"),
            ("frozen_rules_are_whole", "allocation_allocationrule"),
            ("agreements_are_only_replaced", "allocation_termsversion"),
        )
    )
)  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("allocation", "0018_outcomes"), ("finops", "0005_decided_once")]

    operations = [migrations.RunSQL(GUARDS + TRIGGERS, GONE)]
