"""Tables partitioned by month of ``charge_date``: how migrations create them."""

from typing import Any

from django.db import migrations


class CreatePartitioned(migrations.CreateModel):
    """CreateModel for a table PARTITION BY RANGE (charge_date); its partitions are made by ingest.facts when needed.

    There is no DEFAULT partition: it would have to be scanned whenever a month is added, and blocks detaching.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:  # noqa: ARG002
        model = to_state.apps.get_model(app_label, self.name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            sql, parameters = schema_editor.table_sql(model)
            schema_editor.execute(f"{sql} PARTITION BY RANGE (charge_date)", parameters)
            for index in model._meta.indexes:
                schema_editor.add_index(model, index)
