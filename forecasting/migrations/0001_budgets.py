import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import finops.domains


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ('allocation', '0009_periods_and_corrections'),
        ('finops', '0002_approvals'),
    ]

    operations = [
        migrations.CreateModel(
            name='Budget',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('fiscal_year', models.IntegerField(validators=[django.core.validators.MinValueValidator(2000), django.core.validators.MaxValueValidator(2100)])),
                ('name', models.CharField(max_length=100)),
                ('pattern', models.CharField(choices=[('months', 'months'), ('4-4-5', '4-4-5'), ('4-5-4', '4-5-4'), ('5-4-4', '5-4-4')], default='months', max_length=6)),
                ('first_month', models.SmallIntegerField(default=1)),
                ('weekday', models.SmallIntegerField(default=6, help_text='On which a year of weeks begins: 0 Monday to 6 Sunday.')),
                ('begins', models.CharField(default='nearest', help_text='forecasting.calc.fiscal.BEGINS', max_length=7)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('fiscal_year', 'name'), name='budget_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='BudgetVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField()),
                ('kind', models.CharField(choices=[('original', 'Original'), ('approved', 'Approved'), ('reforecast', 'Reforecast')], max_length=10)),
                ('covers', models.JSONField(null=True)),
                ('loaded_by', models.CharField(max_length=150)),
                ('loaded_at', models.DateTimeField(auto_now_add=True)),
                ('approved_at', models.DateTimeField(null=True)),
                ('approval', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='finops.approval')),
                ('base', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='forecasting.budgetversion')),
                ('budget', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='forecasting.budget')),
            ],
        ),
        migrations.CreateModel(
            name='BudgetLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.TextField(blank=True)),
                ('model', models.TextField(blank=True)),
                ('start', models.DateField()),
                ('end', models.DateField()),
                ('amount', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('currency', models.CharField(max_length=3)),
                ('cost_centre', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='forecasting.budgetversion')),
            ],
        ),
        migrations.AddConstraint(
            model_name='budgetversion',
            constraint=models.UniqueConstraint(fields=('budget', 'number'), name='budget_version_is_unique'),
        ),
        migrations.AddIndex(
            model_name='budgetline',
            index=models.Index(fields=['start', 'end'], name='budget_line_by_days'),
        ),
        migrations.AddConstraint(
            model_name='budgetline',
            constraint=models.UniqueConstraint(fields=('version', 'cost_centre', 'provider', 'model', 'currency', 'start'), name='budget_line_is_unique', nulls_distinct=False),
        ),
    ]
