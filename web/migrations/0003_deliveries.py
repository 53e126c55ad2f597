import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [('web', '0002_idempotency')]

    operations = [
        migrations.CreateModel(
            name='BuiltFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(help_text='workbook', max_length=20)),
                ('name', models.CharField(max_length=200)),
                ('month', models.DateField(help_text='First day of the month it is about.')),
                ('cost_centre', models.CharField(blank=True, help_text='Empty: all.', max_length=60)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('building', 'Building'), ('done', 'Done'), ('failed', 'Failed')], default='waiting', max_length=10)),
                ('rows_done', models.IntegerField(default=0)),
                ('rows_total', models.IntegerField(null=True)),
                ('error', models.TextField(blank=True)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('content', models.BinaryField(null=True)),
                ('asked_by', models.CharField(max_length=150)),
                ('asked_at', models.DateTimeField(auto_now_add=True)),
                ('done_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('occasion', models.CharField(help_text='What it was made for; the same again is the delivery that was.', max_length=150)),
                ('kind', models.CharField(help_text='workbook, statement, notice', max_length=20)),
                ('subject', models.CharField(help_text="Of a notice the statement's id, of files the month and whose.", max_length=200)),
                ('month', models.DateField(null=True)),
                ('stage', models.CharField(blank=True, choices=[('preliminary', 'Preliminary'), ('final', 'Final')], max_length=11)),
                ('number', models.IntegerField(default=1, help_text='1, 2, ... of this subject and stage.')),
                ('channel', models.CharField(choices=[('email', 'e-mail'), ('webhook', 'Webhook'), ('folder', 'Folder'), ('object_storage', 'object storage')], max_length=14)),
                ('address', models.TextField()),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('sending', 'Sending'), ('sent', 'Sent'), ('failed', 'Failed'), ('unsure', 'Unsure')], default='waiting', max_length=10)),
                ('attempts', models.IntegerField(default=0)),
                ('next_at', models.DateTimeField(null=True)),
                ('claimed_at', models.DateTimeField(null=True)),
                ('error', models.TextField(blank=True)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('sent_at', models.DateTimeField(null=True)),
                ('file', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='web.builtfile')),
            ],
            options={
                'indexes': [models.Index(fields=['state', 'next_at'], name='delivery_by_due')],
                'constraints': [models.UniqueConstraint(fields=('occasion', 'kind', 'subject', 'channel', 'address'), name='delivery_is_unique')],
            },
        ),
    ]
