import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('web', '0003_deliveries'),
        ('ingest', '0002_connections_and_lines'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Webhook',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('url', models.CharField(max_length=500)),
                ('events', models.JSONField(help_text='Names of web.webhooks.EVENTS.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('after_event', models.BigIntegerField(default=0, help_text='Audit events up to this id are dealt with.')),
                ('after_correction', models.BigIntegerField(default=0, help_text='Corrections up to this id are dealt with.')),
                ('created_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('credential', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ingest.credential')),
            ],
        ),
        migrations.AddField('builtfile', 'begun_at', models.DateTimeField(help_text='Of the try that is under way.', null=True)),
        migrations.AddField('builtfile', 'expires_at', models.DateTimeField(help_text='NULL: it is kept.', null=True)),
        migrations.AddField('builtfile', 'format', models.CharField(blank=True, max_length=10)),
        migrations.AddField('builtfile', 'scope', models.JSONField(help_text='What its reader might see as it was built: all, or cost centres.', null=True)),
        migrations.AddField('builtfile', 'size', models.BigIntegerField(help_text='Bytes.', null=True)),
        migrations.AddField('builtfile', 'user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
        migrations.AlterField('builtfile', 'kind', models.CharField(help_text='workbook, statement, charges, focus, journal', max_length=20)),
        migrations.AddIndex('builtfile', models.Index(fields=['user', 'id'], name='built_file_by_user')),
    ]
