import django.db.models.deletion
from django.db import migrations, models

import finops.domains

# A frozen month is left by an accepted request for exactly that month and version, of two people, or with the mark that
# one person did it. Its versions and who prepared it stay as they were frozen.
GUARD = """
CREATE FUNCTION guard_frozen_periods() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE name text := to_char(OLD.month, 'YYYY-MM');
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state IN ('soft_closed', 'closed') THEN
            RAISE EXCEPTION '% is %: DELETE of its period is refused', name, OLD.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.state IN ('soft_closed', 'closed') AND NOT NEW.self_approved AND NEW.prepared_by <> ''
        AND NEW.prepared_by IN (NEW.soft_closed_by, NEW.closed_by) THEN
        RAISE EXCEPTION '% was prepared by %: another person freezes and closes it', name, NEW.prepared_by
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state NOT IN ('soft_closed', 'closed') THEN
        IF NEW.version <> OLD.version THEN
            RAISE EXCEPTION '% is %: only a reopening makes another version', name, OLD.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state IN ('soft_closed', 'closed') THEN
        IF (NEW.month, NEW.version, NEW.prepared_by, NEW.soft_closed_by, NEW.frozen_versions)
            IS DISTINCT FROM (OLD.month, OLD.version, OLD.prepared_by, OLD.soft_closed_by, OLD.frozen_versions)
            OR (OLD.self_approved AND NOT NEW.self_approved) OR (OLD.state = 'closed' AND NEW.state <> 'closed') THEN
            RAISE EXCEPTION '% is %: what was frozen with it does not change', name, OLD.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state = 'open' AND NEW.month = OLD.month AND NEW.version = OLD.version + 1 AND EXISTS (
        SELECT FROM finops_approval a WHERE a.kind = 'period.reopen' AND a.state = 'accepted'
        AND a.details ->> 'month' = name AND a.details ->> 'version' = OLD.version::text
        AND (a.prepared_by <> a.decided_by OR NEW.self_approved)
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% is %: it is opened again only by a request that another person accepted', name, OLD.state
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER period_is_guarded BEFORE UPDATE OR DELETE ON allocation_billingperiod
    FOR EACH ROW EXECUTE FUNCTION guard_frozen_periods();

CREATE FUNCTION manifest_is_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '% of manifests of closed months is refused', TG_OP USING ERRCODE = 'restrict_violation'; END $$;
CREATE TRIGGER manifest_is_kept BEFORE UPDATE OR DELETE ON allocation_periodmanifest
    FOR EACH ROW EXECUTE FUNCTION manifest_is_kept();

CREATE FUNCTION refuse_truncate_of_frozen_months() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE frozen date;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1380271698);
    SELECT month INTO frozen FROM allocation_billingperiod WHERE state IN ('soft_closed', 'closed') LIMIT 1;
    IF frozen IS NOT NULL THEN
        RAISE EXCEPTION '% is closed: TRUNCATE of % is refused', to_char(frozen, 'YYYY-MM'), TG_TABLE_NAME
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
"""
TABLES = (
    "charge", "allocated_cost", "cost_daily", "query_cost_daily", "allocation_billingperiod", "allocation_periodmanifest",
)
TRUNCATE = "".join(
    f"CREATE TRIGGER {table}_is_not_truncated BEFORE TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_truncate_of_frozen_months();"
    for table in TABLES
)
GONE = (
    "".join(f"DROP TRIGGER {table}_is_not_truncated ON {table};" for table in TABLES)
    + "DROP TRIGGER manifest_is_kept ON allocation_periodmanifest;"
    "DROP TRIGGER period_is_guarded ON allocation_billingperiod;"
    "DROP FUNCTION guard_frozen_periods(); DROP FUNCTION manifest_is_kept();"
    "DROP FUNCTION refuse_truncate_of_frozen_months();"
)


def _name():
    return models.CharField(blank=True, db_default='', default='', max_length=150)


def _key():
    return models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')


def _period(related_name):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to='allocation.billingperiod'
    )


class Migration(migrations.Migration):
    dependencies = [('allocation', '0011_splits'), ('finops', '0002_approvals')]

    operations = [
        migrations.AddField(
            'billingperiod', 'version',
            models.IntegerField(db_default=1, default=1, help_text='One more with every reopening.'),
        ),
        migrations.AddField(
            'billingperiod', 'self_approved',
            models.BooleanField(
                db_default=False, default=False, help_text='One person alone did or opened it: FINOPS_SELF_APPROVAL.'
            ),
        ),
        migrations.AddField('billingperiod', 'prepared_by', _name()),
        migrations.AddField('billingperiod', 'prepared_at', models.DateTimeField(null=True)),
        migrations.AddField('billingperiod', 'soft_closed_by', _name()),
        migrations.AddField('billingperiod', 'soft_closed_at', models.DateTimeField(null=True)),
        migrations.AddField('billingperiod', 'closed_by', _name()),
        migrations.AddField('billingperiod', 'closed_at', models.DateTimeField(null=True)),
        migrations.AddField(
            'billingperiod', 'frozen_versions',
            models.JSONField(
                default=dict, help_text='What the figures were computed with, at soft close: name -> version and hash.'
            ),
        ),
        migrations.CreateModel(
            name='GateWaiver',
            fields=[
                ('id', _key()),
                ('version', models.IntegerField(help_text='Of the period.')),
                ('gate', models.CharField(max_length=20)),
                (
                    'value',
                    finops.domains.QuantityField(
                        decimal_places=12, help_text='Of the gate, when it was asked for.', max_digits=30
                    ),
                ),
                ('reason', models.TextField()),
                (
                    'approval',
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name='+', to='finops.approval'
                    ),
                ),
                ('period', _period('waivers')),
            ],
            options={'indexes': [models.Index(fields=['period', 'version'], name='waiver_by_period')]},
        ),
        migrations.CreateModel(
            name='CloseTask',
            fields=[
                ('id', _key()),
                ('version', models.IntegerField(help_text='Of the period.')),
                ('position', models.SmallIntegerField()),
                ('code', models.CharField(max_length=40)),
                ('title', models.CharField(max_length=200)),
                ('owner', models.CharField(help_text='A user or a role.', max_length=150)),
                ('due', models.DateField()),
                ('gates', models.JSONField(default=list, help_text='Done when these pass; empty: by step or by hand.')),
                (
                    'step',
                    models.CharField(
                        blank=True, help_text='Done when the month is that far; empty: by hand.', max_length=12
                    ),
                ),
                ('link', models.CharField(blank=True, max_length=200)),
                ('done_by', models.CharField(blank=True, max_length=150)),
                ('done_at', models.DateTimeField(null=True)),
                ('period', _period('tasks')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('period', 'version', 'code'), name='close_task_is_unique')
                ]
            },
        ),
        migrations.CreateModel(
            name='PeriodManifest',
            fields=[
                ('id', _key()),
                ('version', models.IntegerField(help_text='Of the period.')),
                ('document', models.JSONField()),
                ('sha256', models.CharField(max_length=64)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('period', _period('manifests')),
            ],
            options={
                'constraints': [
                    models.UniqueConstraint(fields=('period', 'version'), name='period_manifest_is_unique')
                ]
            },
        ),
        migrations.RunSQL(GUARD + TRUNCATE, GONE),
    ]
