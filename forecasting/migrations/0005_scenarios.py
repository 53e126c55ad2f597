import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

# What was run is what somebody decided on: versions and runs are added, never changed or deleted.
TABLES = ("forecasting_scenarioversion", "forecasting_scenariorun")
GUARD = """
CREATE FUNCTION refuse_change_of_scenario() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: versions and runs of scenarios stay as they are', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
""" + "".join(
    f"CREATE TRIGGER {table}_is_appended BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION refuse_change_of_scenario();"
    for table in TABLES
)
GONE = "".join(f"DROP TRIGGER {table}_is_appended ON {table};" for table in TABLES)
GONE += "DROP FUNCTION refuse_change_of_scenario();"


class Migration(migrations.Migration):

    dependencies = [
        ('forecasting', '0004_anomalies'),
    ]

    operations = [
        migrations.CreateModel(
            name='Scenario',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.SlugField(max_length=60, unique=True)),
                ('owner', models.CharField(blank=True, help_text='Username; empty: shipped with the product.', max_length=150)),
                ('shared', models.BooleanField(default=False, help_text='Others who see all cost see it too.')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name='ScenarioVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.IntegerField()),
                ('document', models.JSONField(help_text='As it was written (forecasting.calc.scenario_document).')),
                ('resolved', models.JSONField()),
                ('parameters', models.CharField(max_length=64)),
                ('register', models.IntegerField(help_text='Version of the assumption register; NULL: the shipped one.', null=True)),
                ('made_by', models.CharField(max_length=150)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('scenario', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='versions', to='forecasting.scenario')),
            ],
        ),
        migrations.CreateModel(
            name='ScenarioRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='First day of month 0.')),
                ('origin', models.JSONField(help_text='forecasting.calc.scenario_stored')),
                ('data', models.CharField(max_length=64)),
                ('budgets', django.contrib.postgres.fields.ArrayField(base_field=models.DecimalField(decimal_places=12, max_digits=24, null=True), help_text='By month from month 0; NULL: none.', size=None)),
                ('seed', models.BigIntegerField()),
                ('draws', models.IntegerField()),
                ('notes', models.JSONField(default=list, help_text='What month 0 leaves out or guesses, a sentence each.')),
                ('content', models.BinaryField(help_text='Canonical JSON (forecasting.calc.scenario_results.content).')),
                ('digest', models.CharField(help_text='SHA-256 of the content.', max_length=64)),
                ('made_by', models.CharField(max_length=150)),
                ('made_at', models.DateTimeField(auto_now_add=True)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='runs', to='forecasting.scenarioversion')),
            ],
        ),
        migrations.AddConstraint(
            model_name='scenarioversion',
            constraint=models.UniqueConstraint(fields=('scenario', 'number'), name='scenario_version_is_unique'),
        ),
        migrations.AddConstraint(
            model_name='scenariorun',
            constraint=models.UniqueConstraint(fields=('version', 'data', 'budgets', 'seed', 'draws', 'digest'), name='scenario_run_is_unique'),
        ),
        migrations.RunSQL(GUARD, GONE),
    ]
