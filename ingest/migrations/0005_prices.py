import django.db.models.deletion
from django.db import migrations, models

import finops.domains

# Minutes of the UTC day that a price holds in; a price without a window has a range of its own, outside of every day: it
# holds for the rest of the day.
_WINDOW = """
    CASE
    WHEN window_start IS NULL THEN '{[-1,0)}'::int4multirange
    WHEN window_start < window_end THEN int4multirange(int4range(
        (extract(epoch FROM window_start) / 60)::int, (extract(epoch FROM window_end) / 60)::int))
    ELSE int4multirange(
        int4range((extract(epoch FROM window_start) / 60)::int, 1440),
        int4range(0, (extract(epoch FROM window_end) / 60)::int))
    END
"""
_SAME = """
    version_id WITH =, provider WITH =, model WITH =, price_class WITH =, mode WITH =, service_tier WITH =,
    region WITH =, variant WITH =, context_over WITH =
"""
_CONSTRAINT = "ALTER TABLE ingest_price DROP CONSTRAINT price_do_not_overlap, ADD CONSTRAINT price_do_not_overlap EXCLUDE USING gist"


class Migration(migrations.Migration):
    dependencies = [
        ('finops', '0002_approvals'),
        ('ingest', '0003_meter_readings'),
    ]

    operations = [
        migrations.AddField('rateslot', 'crossing', models.BigIntegerField(default=0)),
        migrations.RemoveConstraint('rateslot', 'rate_slot_is_unique'),
        migrations.AddConstraint(
            'rateslot',
            models.UniqueConstraint(
                fields=('context_over', 'window_start', 'window_end', 'segment_from', 'crossing'),
                name='rate_slot_is_unique',
                nulls_distinct=False,
            ),
        ),
        migrations.AddField(
            'pricebookversion',
            'file_hash',
            models.CharField(blank=True, default='', help_text='SHA-256 of the file that was loaded last.', max_length=64),
            preserve_default=False,
        ),
        migrations.AddField('pricebookversion', 'loaded_by', models.CharField(blank=True, max_length=150)),
        migrations.AddField(
            'pricebookversion',
            'report',
            models.JSONField(default=dict, help_text='Of the load: counts, changes that passed with a note, held ones, what was not expressed.'),
        ),
        migrations.AlterField(
            'pricebookversion',
            'content_hash',
            models.CharField(help_text='Of its file, the prices in force and held, and the matching rules.', max_length=64),
        ),
        # Until now versions were named by the hash of their file.
        migrations.RunSQL("UPDATE ingest_pricebookversion SET file_hash = content_hash", migrations.RunSQL.noop),
        migrations.RunSQL(
            f"{_CONSTRAINT} ({_SAME}, ({_WINDOW}) WITH &&, tstzrange(valid_from, valid_to) WITH &&)",
            f"{_CONSTRAINT} ({_SAME}, (coalesce(extract(epoch FROM window_start), -1)) WITH =, "
            "(coalesce(extract(epoch FROM window_end), -1)) WITH =, tstzrange(valid_from, valid_to) WITH &&)",
        ),
        migrations.CreateModel(
            name='HeldPrice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('book', models.CharField(max_length=10)),
                ('provider', models.TextField()),
                ('model', models.TextField()),
                ('price_class', models.CharField(help_text='A token class or a unit.', max_length=30)),
                ('mode', models.CharField(max_length=10)),
                ('service_tier', models.TextField(blank=True)),
                ('region', models.TextField(blank=True)),
                ('variant', models.TextField(blank=True)),
                ('context_over', models.BigIntegerField(default=0)),
                ('reprices_whole', models.BooleanField(default=True)),
                ('window_start', models.TimeField(null=True)),
                ('window_end', models.TimeField(null=True)),
                ('valid_from', models.DateTimeField()),
                ('valid_to', models.DateTimeField(null=True)),
                ('currency', models.CharField(max_length=3)),
                ('rate', finops.domains.RateField(decimal_places=12, max_digits=24)),
                ('per', models.BigIntegerField(default=1000000)),
                ('source', models.TextField(blank=True)),
                ('note', models.TextField(blank=True)),
                ('former_rate', finops.domains.RateField(decimal_places=12, max_digits=24)),
                ('former_per', models.BigIntegerField()),
                ('reason', models.TextField(help_text='Factor, and the slip of units that it looks like.')),
                ('superseded', models.BooleanField(default=False, help_text='A later load says something else; it was not decided.')),
                ('approval', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='held_prices', to='finops.approval')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='held', to='ingest.pricebookversion')),
            ],
        ),
    ]
