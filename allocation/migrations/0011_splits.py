"""Splits, rate cards and adjustments; what is split of a frozen month is frozen like its charges (0009)."""

import django.db.models.deletion
from django.db import migrations, models

import finops.domains

TABLES = ("split_cost", "split_outcome")
EVENTS = {
    "insert": "REFERENCING NEW TABLE AS come", "update": "REFERENCING OLD TABLE AS gone NEW TABLE AS come",
    "delete": "REFERENCING OLD TABLE AS gone",
}
TRIGGERS = "".join(
    f"CREATE TRIGGER {table}_is_frozen_for_{event} AFTER {event} ON {table} {seen} "
    "FOR EACH STATEMENT EXECUTE FUNCTION refuse_frozen_months();"
    for table in TABLES
    for event, seen in EVENTS.items()
)
GONE = "".join(f"DROP TRIGGER {table}_is_frozen_for_{event} ON {table};" for table in TABLES for event in EVENTS)


class Migration(migrations.Migration):
    dependencies = [("allocation", "0010_rules"), ("finops", "0002_approvals")]

    operations = [
        migrations.CreateModel(
            name='StaleMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day.', unique=True)),
            ],
        ),
        migrations.CreateModel(
            name='SplitOutcome',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(db_column='charge_date', help_text='Its first day; freezes like the rows of the month.')),
                ('basis', models.CharField(choices=[('shared', 'Shared'), ('variance', 'Variance')], max_length=12)),
                ('code', models.CharField(max_length=100)),
                ('step', models.SmallIntegerField()),
                ('version', models.IntegerField(help_text='Of the document (TermsVersion).')),
                ('currency', models.CharField(max_length=3)),
                ('found', finops.domains.MoneyField(decimal_places=12, help_text='EffectiveCost at the source: of a pool before it is emptied, of a card the actual cost.', max_digits=24)),
                ('moved', finops.domains.MoneyField(decimal_places=12, help_text='EffectiveCost that left the source; of a card the variance, positive: under-recovered.', max_digits=24)),
                ('weights', models.JSONField(default=dict)),
                ('note', models.TextField(blank=True, help_text='Why something stays at the source; empty: nothing does.')),
            ],
            options={
                'db_table': 'split_outcome',
                'constraints': [models.UniqueConstraint(fields=('month', 'basis', 'code', 'currency'), name='split_outcome_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='Adjustment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='First day of the month it is about.')),
                ('charge_date', models.DateField()),
                ('late', models.BooleanField(help_text='The month it is about was frozen already.')),
                ('currency', models.CharField(max_length=3)),
                ('reason', models.TextField()),
                ('evidence', models.JSONField(help_text='text, and link or sha256.')),
                ('pool', models.CharField(blank=True, help_text='Code of the pool that funds it; empty: none.', max_length=100)),
                ('parts', models.JSONField(help_text='[{cost_centre, team, amount}]: what each of them bears, amounts as text.')),
                ('prepared_by', models.CharField(max_length=150)),
                ('approved_by', models.CharField(max_length=150)),
                ('approved_at', models.DateTimeField(auto_now_add=True)),
                ('approval', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='adjustment', to='finops.approval')),
            ],
            options={
                'indexes': [models.Index(fields=['charge_date'], name='adjustment_by_day')],
            },
        ),
        migrations.CreateModel(
            name='SplitCost',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('charge_date', models.DateField()),
                ('basis', models.CharField(choices=[('shared', 'Shared'), ('variance', 'Variance')], max_length=12)),
                ('pool', models.CharField(help_text='Code of the pool or of the rate card.', max_length=100)),
                ('step', models.SmallIntegerField(help_text='1, 2, ... in the order of the document.')),
                ('kind', models.CharField(help_text='What is moved: direct, idle, unused, unexplained, shared, ...', max_length=12)),
                ('provider', models.TextField()),
                ('model', models.TextField()),
                ('tier', models.CharField(max_length=10)),
                ('tier_estimated', models.BooleanField()),
                ('environment', models.TextField(blank=True)),
                ('feature', models.TextField(blank=True)),
                ('provenance', models.CharField(max_length=20)),
                ('billing_currency', models.CharField(max_length=3)),
                ('list_cost', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('contracted_cost', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('effective_cost', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('billed_cost', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('cost_centre', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
                ('source', models.ForeignKey(help_text='Who bore it; NULL: nobody.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
                ('source_team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.team')),
                ('team', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.team')),
            ],
            options={
                'db_table': 'split_cost',
                'indexes': [models.Index(fields=['charge_date'], name='split_cost_by_date')],
                'constraints': [models.UniqueConstraint(fields=('charge_date', 'basis', 'pool', 'kind', 'cost_centre', 'team', 'source', 'source_team', 'provider', 'model', 'tier', 'tier_estimated', 'environment', 'feature', 'provenance', 'billing_currency'), name='split_cost_is_unique', nulls_distinct=False)],
            },
        ),
        migrations.RunSQL(TRIGGERS, GONE),
    ]
