import django.db.models.deletion
import finops.domains
from django.db import migrations, models

# What is issued is what somebody was told: its figures stay, its state goes forward, what was said of it is not rewritten.
GUARD = """
CREATE FUNCTION refuse_change_of_statement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states constant text[] := ARRAY['draft', 'issued', 'disputed', 'accepted', 'posted'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' THEN
            RAISE EXCEPTION 'a statement begins as a draft' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'draft' THEN
            RAISE EXCEPTION 'statement % is %: it is not deleted', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF (NEW.month, NEW.cost_centre_id, NEW.version, NEW.currency) IS DISTINCT FROM
            (OLD.month, OLD.cost_centre_id, OLD.version, OLD.currency) THEN
        RAISE EXCEPTION 'statement % is of another month, cost centre, version or currency', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.state <> OLD.state AND (array_position(states, NEW.state::text) < array_position(states, OLD.state::text)
            OR (OLD.state = 'draft') <> (NEW.state = 'issued') OR (NEW.state = 'posted' AND OLD.state <> 'accepted')) THEN
        RAISE EXCEPTION 'statement % is %: it does not become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'draft' THEN
        RETURN NEW;
    END IF;
    IF (NEW.amount, NEW.document, NEW.content_hash, NEW.kind, NEW.drafted_at, NEW.issued_at, NEW.issued_by,
            NEW.dispute_until) IS DISTINCT FROM (OLD.amount, OLD.document, OLD.content_hash, OLD.kind, OLD.drafted_at,
            OLD.issued_at, OLD.issued_by, OLD.dispute_until) THEN
        RAISE EXCEPTION 'statement % is issued: its figures do not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.disputed_at IS NOT NULL AND (NEW.disputed_at, NEW.disputed_by, NEW.dispute_reason) IS DISTINCT FROM
            (OLD.disputed_at, OLD.disputed_by, OLD.dispute_reason))
            OR (OLD.accepted_at IS NOT NULL AND (NEW.accepted_at, NEW.accepted_by, NEW.resolution, NEW.adjustment_id)
            IS DISTINCT FROM (OLD.accepted_at, OLD.accepted_by, OLD.resolution, OLD.adjustment_id))
            OR (OLD.posted_at IS NOT NULL AND (NEW.posted_at, NEW.posted_by, NEW.self_approved) IS DISTINCT FROM
            (OLD.posted_at, OLD.posted_by, OLD.self_approved)) THEN
        RAISE EXCEPTION 'statement %: what was said of it is not rewritten', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER statement_keeps_its_figures BEFORE INSERT OR UPDATE OR DELETE ON allocation_statement
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_statement();
"""
GONE = "DROP TRIGGER statement_keeps_its_figures ON allocation_statement; DROP FUNCTION refuse_change_of_statement()"


class Migration(migrations.Migration):
    dependencies = [('allocation', '0013_accruals_and_journal')]

    operations = [
        migrations.CreateModel(
            name='Statement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.')),
                ('version', models.SmallIntegerField(default=1, help_text="Of the month's books: one more after each reopening.")),
                ('kind', models.CharField(choices=[('chargeback', 'Chargeback'), ('showback', 'Showback')], max_length=10)),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('issued', 'Issued'), ('disputed', 'Disputed'), ('accepted', 'Accepted'), ('posted', 'Posted')], default='draft', max_length=10)),
                ('currency', models.CharField(max_length=3)),
                ('amount', finops.domains.MoneyField(decimal_places=12, help_text="At the currency's minor unit.", max_digits=24)),
                ('document', models.JSONField(help_text='What it says: allocation.calc.statements.')),
                ('content_hash', models.CharField(help_text="SHA-256 of the document's canonical JSON.", max_length=64)),
                ('drafted_at', models.DateTimeField()),
                ('issued_at', models.DateTimeField(null=True)),
                ('issued_by', models.CharField(blank=True, max_length=150)),
                ('dispute_until', models.DateField(help_text='Last day on which it may be disputed; accepted after it.', null=True)),
                ('disputed_at', models.DateTimeField(null=True)),
                ('disputed_by', models.CharField(blank=True, max_length=150)),
                ('dispute_reason', models.TextField(blank=True)),
                ('resolution', models.TextField(blank=True, help_text='How the dispute ended.')),
                ('adjustment', models.ForeignKey(help_text='Of a dispute that was right: what an open month bears.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.adjustment')),
                ('accepted_at', models.DateTimeField(null=True)),
                ('accepted_by', models.CharField(blank=True, help_text='Empty once accepted: by silence.', max_length=150)),
                ('posted_at', models.DateTimeField(null=True)),
                ('posted_by', models.CharField(blank=True, max_length=150)),
                ('self_approved', models.BooleanField(default=False, help_text='Posted by who issued it, as the site allows.')),
                ('cost_centre', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='statements', to='allocation.costcentre')),
            ],
            options={
                'indexes': [models.Index(fields=['state', 'dispute_until'], name='statement_by_state')],
                'constraints': [models.UniqueConstraint(fields=('month', 'cost_centre', 'currency', 'version'), name='statement_is_unique'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'posted'), _negated=True), models.Q(('kind', 'chargeback'), models.Q(('issued_by', ''), _negated=True), models.Q(('posted_by', ''), _negated=True), models.Q(models.Q(('posted_by', models.F('issued_by')), _negated=True), ('self_approved', True), _connector='OR')), _connector='OR'), name='statement_posted_by_two')],
            },
        ),
        migrations.RunSQL(GUARD, GONE),
    ]
