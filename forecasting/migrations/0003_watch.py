import django.contrib.postgres.fields
import django.db.models.deletion
import finops.domains
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('forecasting', '0002_forecasts'),
    ]

    operations = [
        migrations.CreateModel(
            name='SpendDay',
            fields=[
                ('charge_date', models.DateField(primary_key=True, serialize=False)),
                ('fingerprint', models.CharField(max_length=64)),
                ('last_hour', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Alert',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('budget', 'Budget'), ('cap', 'query cap'), ('band', 'watch band')], max_length=6)),
                ('subject', models.CharField(max_length=600)),
                ('label', models.CharField(help_text='The subject as people know it.', max_length=300)),
                ('currency', models.CharField(max_length=3)),
                ('opened_at', models.DateTimeField()),
                ('fired_at', models.DateTimeField()),
                ('severe_at', models.DateTimeField()),
                ('seen_at', models.DateTimeField()),
                ('severity', models.CharField(choices=[('digest', 'digest'), ('ticket', 'ticket'), ('page', 'page')], max_length=6)),
                ('money', finops.domains.MoneyField(decimal_places=12, help_text='At stake.', max_digits=24)),
                ('rules', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=60), size=None)),
                ('why', models.TextField()),
                ('once', models.BooleanField(default=False)),
                ('told_severity', models.CharField(blank=True, max_length=6)),
                ('told_money', models.JSONField(default=dict, help_text='Rule -> the money that was told last, in text.')),
                ('told_at', models.DateTimeField(null=True)),
                ('level', models.IntegerField(default=0)),
                ('acknowledged_by', models.CharField(blank=True, max_length=150)),
                ('acknowledged_at', models.DateTimeField(null=True)),
                ('acknowledged_note', models.CharField(blank=True, max_length=300)),
                ('ended_at', models.DateTimeField(null=True)),
                ('cost_centre', models.ForeignKey(help_text='Whose; NULL: of those who see all.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
            ],
        ),
        migrations.CreateModel(
            name='AlertNotice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('opened', 'opened'), ('worse', 'worse'), ('unanswered', 'unanswered'), ('ended', 'ended')], max_length=10)),
                ('severity', models.CharField(choices=[('digest', 'digest'), ('ticket', 'ticket'), ('page', 'page')], max_length=6)),
                ('level', models.IntegerField()),
                ('money', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('why', models.TextField()),
                ('made_at', models.DateTimeField()),
                ('routed_at', models.DateTimeField(help_text='When it was given to those who send; NULL: not yet.', null=True)),
                ('alert', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notices', to='forecasting.alert')),
            ],
        ),
        migrations.CreateModel(
            name='QueryCap',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('most', finops.domains.MoneyField(decimal_places=12, help_text='Per query, in the currency of the price lists.', max_digits=24)),
                ('severity', models.CharField(choices=[('digest', 'digest'), ('ticket', 'ticket'), ('page', 'page')], max_length=6)),
                ('tier', models.CharField(blank=True, max_length=10)),
                ('feature', models.TextField(blank=True)),
                ('provider', models.TextField(blank=True)),
                ('model', models.TextField(blank=True)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('created_by', models.CharField(max_length=150)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('ended_by', models.CharField(blank=True, max_length=150)),
                ('ended_at', models.DateTimeField(null=True)),
                ('cost_centre', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
            ],
        ),
        migrations.CreateModel(
            name='CapDay',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('charge_date', models.DateField()),
                ('fingerprint', models.CharField(max_length=64)),
                ('queries', models.BigIntegerField()),
                ('without', models.BigIntegerField(help_text='Queries that cost nothing or have no price; in none of the others.')),
                ('low', models.BigIntegerField()),
                ('high', models.BigIntegerField()),
                ('above_low', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('above_high', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('cap', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='days', to='forecasting.querycap')),
            ],
        ),
        migrations.CreateModel(
            name='Silence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=600)),
                ('severity', models.CharField(choices=[('digest', 'digest'), ('ticket', 'ticket'), ('page', 'page')], default='page', max_length=6)),
                ('begins', models.DateTimeField()),
                ('ends', models.DateTimeField()),
                ('reason', models.CharField(max_length=300)),
                ('created_by', models.CharField(max_length=150)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('ended_by', models.CharField(blank=True, max_length=150)),
                ('cost_centre', models.ForeignKey(help_text='Of its subject.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
            ],
        ),
        migrations.CreateModel(
            name='SpendHour',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('charge_date', models.DateField()),
                ('hour', models.DateTimeField(null=True)),
                ('provider', models.TextField(blank=True)),
                ('model', models.TextField(blank=True)),
                ('tier', models.CharField(blank=True, max_length=10)),
                ('billing_currency', models.CharField(max_length=3)),
                ('cost', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('unpriced', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('cost_centre', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
            ],
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(fields=['subject', 'opened_at'], name='alert_by_subject'),
        ),
        migrations.AddConstraint(
            model_name='alert',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('subject',), name='one_alert_of_a_subject_is_open'),
        ),
        migrations.AddIndex(
            model_name='alertnotice',
            index=models.Index(condition=models.Q(('routed_at', None)), fields=['id'], name='alert_notice_to_route'),
        ),
        migrations.AddConstraint(
            model_name='capday',
            constraint=models.UniqueConstraint(fields=('cap', 'charge_date'), name='cap_day_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='silence',
            constraint=models.CheckConstraint(condition=models.Q(('ends__gte', models.F('begins'))), name='silence_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='spendhour',
            constraint=models.UniqueConstraint(fields=('charge_date', 'hour', 'cost_centre', 'provider', 'model', 'tier', 'billing_currency'), name='spend_hour_is_unique', nulls_distinct=False),
        ),
    ]
