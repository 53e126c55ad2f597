import django.db.models.deletion
import finops.domains
from django.db import migrations, models

# Facts of a close: appended, never changed. What is posted goes forward, each step once.
GUARDS = """
CREATE FUNCTION refuse_change_of_books() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what a close has noted is never changed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION refuse_accruals_of_frozen_months() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1380271698);
    IF EXISTS (SELECT FROM allocation_billingperiod p WHERE p.month = NEW.month AND p.state IN ('soft_closed', 'closed'))
            AND EXISTS (SELECT FROM allocation_accrualrun r WHERE r.month = NEW.month) THEN
        RAISE EXCEPTION '% is closed: its accruals stay as they are', to_char(NEW.month, 'YYYY-MM')
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION refuse_change_of_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.month, NEW.number, NEW.content_hash, NEW.built_at, NEW.built_by)
            IS DISTINCT FROM (OLD.month, OLD.number, OLD.content_hash, OLD.built_at, OLD.built_by)
        OR (OLD.posted_at IS NOT NULL AND (NEW.posted_at, NEW.posted_by) IS DISTINCT FROM (OLD.posted_at, OLD.posted_by))
        OR (OLD.exported_at IS NOT NULL AND (NEW.exported_at, NEW.exported_by, NEW.export_sha256, NEW.template)
            IS DISTINCT FROM (OLD.exported_at, OLD.exported_by, OLD.export_sha256, OLD.template))
        OR (OLD.document_number <> '' AND NEW.document_number <> OLD.document_number) THEN
        RAISE EXCEPTION 'journal % of %: what was built, posted, exported or numbered stays so', OLD.number,
            to_char(OLD.month, 'YYYY-MM') USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
""" + "".join(
    f"CREATE TRIGGER {table}_is_appended BEFORE {events} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change_of_books();"
    for table, events in (
        ("allocation_accrualrun", "UPDATE OR DELETE"), ("accrual", "UPDATE OR DELETE"), ("true_up", "UPDATE OR DELETE"),
        ("journal_line", "UPDATE OR DELETE"), ("journal_entry", "DELETE"),
    )
) + """
CREATE TRIGGER accruals_are_frozen BEFORE INSERT ON allocation_accrualrun
    FOR EACH ROW EXECUTE FUNCTION refuse_accruals_of_frozen_months();
CREATE TRIGGER journal_goes_forward BEFORE UPDATE ON journal_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_journal();
"""
GONE = """
DROP TRIGGER journal_goes_forward ON journal_entry;
DROP TRIGGER accruals_are_frozen ON allocation_accrualrun;
""" + "".join(
    f"DROP TRIGGER {table}_is_appended ON {table};"
    for table in ("allocation_accrualrun", "accrual", "true_up", "journal_line", "journal_entry")
) + """
DROP FUNCTION refuse_change_of_journal();
DROP FUNCTION refuse_accruals_of_frozen_months();
DROP FUNCTION refuse_change_of_books();
"""


class Migration(migrations.Migration):
    dependencies = [("allocation", "0012_close")]

    operations = [
        migrations.CreateModel(
            name='AccrualRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.')),
                ('version', models.IntegerField()),
                ('content_hash', models.CharField(help_text='SHA-256 of the rows.', max_length=64)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('made_by', models.CharField(max_length=150)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('month', 'version'), name='accrual_run_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='JournalEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.')),
                ('number', models.IntegerField()),
                ('content_hash', models.CharField(help_text='SHA-256 of the lines.', max_length=64)),
                ('built_at', models.DateTimeField(auto_now_add=True)),
                ('built_by', models.CharField(max_length=150)),
                ('posted_at', models.DateTimeField(null=True)),
                ('posted_by', models.CharField(blank=True, max_length=150)),
                ('exported_at', models.DateTimeField(null=True)),
                ('exported_by', models.CharField(blank=True, max_length=150)),
                ('export_sha256', models.CharField(blank=True, max_length=64)),
                ('template', models.JSONField(default=list, help_text='The columns of the export, as they were.')),
                ('document_number', models.CharField(blank=True, help_text='Of the books (ERP).', max_length=60)),
            ],
            options={
                'db_table': 'journal_entry',
                'constraints': [models.UniqueConstraint(fields=('month', 'number'), name='journal_entry_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='Accrual',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.TextField()),
                ('billing_account', models.TextField(blank=True)),
                ('currency', models.CharField(max_length=3)),
                ('legal_entity', models.TextField(blank=True)),
                ('billed_month', models.DateField(help_text="First of the month that is billed; of a late one before the run's.")),
                ('invoice_id', models.TextField(help_text='Provisional: PROV-2026-09-openai-acct.')),
                ('provenance', models.CharField(default='estimated', max_length=20)),
                ('cost', finops.domains.MoneyField(decimal_places=12, help_text='Contracted cost to date.', max_digits=24)),
                ('computed', finops.domains.MoneyField(decimal_places=12, help_text='Of it what no bill or cost report states.', max_digits=24)),
                ('share', finops.domains.QuantityField(decimal_places=12, help_text='By which invoices were higher before.', max_digits=30)),
                ('estimate', finops.domains.MoneyField(decimal_places=12, help_text='computed x share: the known unexplained share.', max_digits=24)),
                ('amount', finops.domains.MoneyField(decimal_places=12, help_text='cost + estimate.', max_digits=24)),
                ('reversed', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='allocation.accrualrun')),
            ],
            options={
                'db_table': 'accrual',
                'constraints': [models.UniqueConstraint(fields=('run', 'issuer', 'billing_account', 'currency', 'legal_entity', 'billed_month'), name='accrual_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='JournalLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.IntegerField()),
                ('event', models.CharField(max_length=30)),
                ('posting_date', models.DateField()),
                ('legal_entity', models.TextField(blank=True)),
                ('currency', models.CharField(max_length=3)),
                ('account', models.TextField()),
                ('cost_centre', models.TextField(blank=True, help_text="'': held centrally.")),
                ('debit', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('credit', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('text', models.TextField(blank=True)),
                ('reference', models.TextField(blank=True, help_text='Invoice numbers, or the provisional one.')),
                ('billed_month', models.DateField(null=True)),
                ('entry', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='allocation.journalentry')),
            ],
            options={
                'db_table': 'journal_line',
                'constraints': [models.UniqueConstraint(fields=('entry', 'position'), name='journal_line_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='TrueUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('issuer', models.TextField()),
                ('billing_account', models.TextField(blank=True)),
                ('currency', models.CharField(max_length=3)),
                ('legal_entity', models.TextField(blank=True)),
                ('billed_month', models.DateField(help_text="First of the month that is billed; of a late one before the run's.")),
                ('numbers', models.JSONField(default=list, help_text='Of the invoices.')),
                ('invoiced', finops.domains.MoneyField(decimal_places=12, help_text='Beyond what earlier runs posted.', max_digits=24)),
                ('accrued', finops.domains.MoneyField(decimal_places=12, help_text='By the run before; 0: nothing.', max_digits=24)),
                ('charged', finops.domains.MoneyField(decimal_places=12, help_text="What charges of the run's month bear of it.", max_digits=24)),
                ('amount', finops.domains.MoneyField(decimal_places=12, help_text='The true-up: the sum of its causes.', max_digits=24)),
                ('causes', models.JSONField(default=dict, help_text='Cause -> amount, as text.')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='allocation.accrualrun')),
            ],
            options={
                'db_table': 'true_up',
                'constraints': [models.UniqueConstraint(fields=('run', 'issuer', 'billing_account', 'currency', 'legal_entity', 'billed_month'), name='true_up_is_unique')],
            },
        ),
        migrations.RunSQL(GUARDS, GONE),
    ]
