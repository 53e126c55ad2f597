import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ('allocation', '0009_periods_and_corrections'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='allocationrule',
            name='note',
            field=models.TextField(blank=True, db_default='', default='', help_text="Why it is so, in its author's words."),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='parent',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='allocation.costcentre'),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='gl_account',
            field=models.CharField(blank=True, db_default='', default='', max_length=60),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='legal_entity',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='owner',
            field=models.ForeignKey(help_text='Who answers for it; NULL: nobody is named, or there is no such user yet.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='valid_from',
            field=models.DateField(null=True),
        ),
        migrations.AddField(
            model_name='costcentre',
            name='valid_to',
            field=models.DateField(help_text='First day on which it no longer holds.', null=True),
        ),
    ]
