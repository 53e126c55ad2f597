import django.contrib.postgres.fields
import django.db.models.deletion
import finops.domains
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('allocation', '0023_passed_gates'),
        ('forecasting', '0001_budgets'),
    ]

    operations = [
        migrations.CreateModel(
            name='Forecast',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('made_by', models.CharField(max_length=150)),
                ('history_from', models.DateField()),
                ('starts_on', models.DateField(help_text='The first day that is forecast; history ends before it.')),
                ('horizon', models.IntegerField(help_text='Days.')),
                ('currency', models.CharField(max_length=3)),
                ('dimensions', models.JSONField(help_text='FOCUS columns of the finest series, of which all others are sums.')),
                ('prices', models.JSONField(help_text='Live versions of the price books: name -> number.')),
                ('notes', models.JSONField(default=list, help_text='What was left out of history or forecast, a sentence each.')),
                ('coverage', models.JSONField(help_text='Interval in percent -> share of past days inside it; null: not measured.')),
                ('checked', models.BigIntegerField(help_text='Past days on which coverage was measured.')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('closes', models.DateField(help_text='First day of the month at whose close it was in force.', null=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('closes',), name='forecast_at_close_is_unique')],
            },
        ),
        migrations.CreateModel(
            name='ForecastSeries',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('level', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=40), size=None)),
                ('key', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('method', models.CharField(blank=True, help_text='Empty: refused.', max_length=20)),
                ('refusal', models.TextField(blank=True, help_text='Why, or what of it is not in the sum.')),
                ('history', models.IntegerField(help_text='Days since it first cost something.')),
                ('checked', models.IntegerField(help_text='Past forecasts that it was judged by.')),
                ('skill', finops.domains.RateField(decimal_places=12, help_text='Mean absolute error over that of seasonal naive; NULL: not measured.', max_digits=24, null=True)),
                ('basis', models.CharField(blank=True, help_text='Whose errors the intervals are made of.', max_length=40)),
                ('coverage', models.JSONField(help_text='Interval in percent -> share of its past days inside; null: not measured.')),
                ('cost_centre', models.ForeignKey(help_text='Of its key; NULL: it has none.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='allocation.costcentre')),
                ('forecast', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='series', to='forecasting.forecast')),
            ],
        ),
        migrations.CreateModel(
            name='ForecastMonth',
            fields=[
                ('pk', models.CompositePrimaryKey('series', 'month', blank=True, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('whole', models.BooleanField(help_text='The forecast reaches its last day.')),
                ('actual', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('point', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('percentiles', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=12, max_digits=24), help_text="Of the month's total on the sample paths: 1 to 99.", size=None)),
                ('series', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='months', to='forecasting.forecastseries')),
            ],
        ),
        migrations.CreateModel(
            name='ForecastDay',
            fields=[
                ('pk', models.CompositePrimaryKey('series', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('point', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('low_95', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('low_80', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('high_80', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('high_95', finops.domains.MoneyField(decimal_places=12, max_digits=24)),
                ('series', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='days', to='forecasting.forecastseries')),
            ],
        ),
        migrations.AddConstraint(
            model_name='forecastseries',
            constraint=models.UniqueConstraint(fields=('forecast', 'level', 'key'), name='forecast_series_is_unique'),
        ),
    ]
