import django.contrib.postgres.fields
import django.db.models.deletion
import finops.domains
from django.db import migrations, models

# What people said of an anomaly stays as they said it.
GUARD = """
CREATE FUNCTION refuse_change_of_feedback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what people said is never changed, say something new instead', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER anomaly_feedback_is_appended BEFORE UPDATE OR DELETE ON forecasting_anomalyfeedback
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_feedback();
"""
GONE = """
DROP TRIGGER anomaly_feedback_is_appended ON forecasting_anomalyfeedback;
DROP FUNCTION refuse_change_of_feedback();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('forecasting', '0003_watch'),
    ]

    operations = [
        migrations.CreateModel(
            name='Anomaly',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3)),
                ('level', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('key', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('kind', models.CharField(help_text='forecasting.calc.anomaly: what its strongest day is.', max_length=20)),
                ('first_day', models.DateField()),
                ('last_day', models.DateField(help_text='Included.')),
                ('score', finops.domains.RateField(decimal_places=12, help_text='Usual errors off the forecast, at most; NULL: nothing was usual.', max_digits=24, null=True)),
                ('history', models.IntegerField(help_text="Days of the node's life before it.")),
                ('expected', finops.domains.MoneyField(decimal_places=12, help_text="By the forecasts of each day from what was known before it, at that day's prices.", max_digits=24)),
                ('actual', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('impact', finops.domains.MoneyField(decimal_places=12, help_text='actual - expected', max_digits=24)),
                ('unknown', models.IntegerField(help_text='Days of its series of which the cost is not known: in no figure.')),
                ('usual', finops.domains.MoneyField(decimal_places=12, help_text='Mean of the same weekdays of the four weeks before; NULL: there is none.', max_digits=24, null=True)),
                ('effects', models.JSONField(default=dict, help_text='Effect of the bridge -> money, from usual to actual.')),
                ('cause', models.CharField(blank=True, help_text="The effect that explains most of it; '': none does.", max_length=30)),
                ('feature', models.TextField(blank=True, help_text="The use case in which most of it lies; '': none has half.")),
                ('changes', models.JSONField(default=list, help_text='Dated changes of prices in it, a text each.')),
                ('told', models.BooleanField(default=False, help_text='To those who see everything: past the gate, at its highest node.')),
                ('told_owner', models.BooleanField(default=False, help_text='The same to those who see only its cost centre.')),
                ('state', models.CharField(choices=[('open', 'Open'), ('closed', 'Closed')], default='open', max_length=6)),
                ('why', models.CharField(blank=True, help_text='Why it is closed, where nobody said what it is.', max_length=200)),
                ('found_at', models.DateTimeField(auto_now_add=True)),
                ('changed_at', models.DateTimeField(help_text='When its figures changed last.')),
                ('cost_centre', models.ForeignKey(help_text='Of its key; NULL: it has none.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
                ('forecast', models.ForeignKey(help_text='The newest of its currency when it was judged; NULL: none was made, or it was pruned.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='forecasting.forecast')),
            ],
        ),
        migrations.CreateModel(
            name='AnomalyDay',
            fields=[
                ('pk', models.CompositePrimaryKey('anomaly', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('actual', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('expected', finops.domains.MoneyField(decimal_places=12, help_text='NULL: the node was too young, or its cost is not known.', max_digits=24, null=True)),
                ('low', finops.domains.MoneyField(decimal_places=12, max_digits=24, null=True)),
                ('high', finops.domains.MoneyField(decimal_places=12, help_text='Beyond it a day is an anomaly by itself.', max_digits=24, null=True)),
                ('inside', models.BooleanField()),
                ('anomaly', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='days', to='forecasting.anomaly')),
            ],
        ),
        migrations.CreateModel(
            name='AnomalyFeedback',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('real', 'real'), ('expected', 'expected'), ('wrong', 'wrong')], max_length=8)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('said_by', models.CharField(max_length=150)),
                ('said_at', models.DateTimeField(auto_now_add=True)),
                ('anomaly', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='feedback', to='forecasting.anomaly')),
            ],
        ),
        migrations.AddIndex(
            model_name='anomaly',
            index=models.Index(fields=['-last_day'], name='anomaly_by_last_day'),
        ),
        migrations.AddConstraint(
            model_name='anomaly',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'new_key'), _negated=True), fields=('currency', 'level', 'key', 'first_day'), name='anomaly_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='anomaly',
            constraint=models.UniqueConstraint(condition=models.Q(('kind', 'new_key')), fields=('currency', 'level', 'key', 'first_day'), name='new_key_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='anomalyfeedback',
            constraint=models.CheckConstraint(condition=models.Q(('verdict__in', ('real', 'expected', 'wrong'))), name='anomaly_verdict_is_known'),
        ),
        migrations.RunSQL(GUARD, GONE),
    ]
