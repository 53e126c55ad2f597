from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('forecasting', '0005_scenarios'),
    ]

    operations = [
        migrations.AddField(
            model_name='forecast',
            name='marks',
            field=models.JSONField(default=list, help_text="Events and price steps ahead: first, last, event ('': a price step), where, factor."),
        ),
        migrations.CreateModel(
            name='Backtest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('made_by', models.CharField(max_length=150)),
                ('history_from', models.DateField()),
                ('until', models.DateField(help_text='The first day that is not known.')),
                ('horizon', models.IntegerField(help_text='Days.')),
                ('origins', models.JSONField(help_text='First days of the forecasts made anew, oldest first; they do not overlap.')),
                ('currency', models.CharField(max_length=3)),
                ('dimensions', models.JSONField(help_text='FOCUS columns of the finest series.')),
                ('scores', models.JSONField(help_text='forecasting.calc.backtest.SCORES, with method, level, series and cells.')),
                ('refused', models.IntegerField(help_text='Finest series and origins that had no forecast.')),
                ('digest', models.CharField(max_length=64, unique=True)),
            ],
        ),
    ]
