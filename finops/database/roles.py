"""Two roles: one that the application logs in as, and one that owns what months closed on and never logs in.

Triggers refuse to change closed months and the audit trail. Who owns a table can switch its triggers off, empty it or drop
it; so the tables that triggers guard, the functions behind these and the domains that bound amounts belong to
``finops_ledger``. The application reads and writes rows of them and can do nothing else to them; of those that only triggers
or the owner write, it only reads. All other tables are its own: it makes their partitions.
"""

from typing import Any

from psycopg import sql

LEDGER = "finops_ledger"
OWNER_ALIAS = "owner"
SELF_APPROVAL = "self_approval"
# Where the audit trail ends (its trigger says it), and what triggers ask of the site (the owner says it, ``tell``).
READ_ONLY = frozenset({"finops_audithead", "finops_ownersetting"})

# What the role of the application is to own, or (guarded) the other: tables with triggers of ours, their functions, domains.
_RELATIONS = """
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), EXISTS (
    SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_SEQUENCES = """
SELECT c.relname FROM pg_class c JOIN pg_depend d ON d.objid = c.oid
WHERE c.relkind = 'S' AND d.refobjid = %s::regclass AND d.deptype IN ('i', 'a') ORDER BY 1
"""
_FUNCTIONS = """
SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), pg_get_userbyid(p.proowner),
    n.nspname = 'public' AND p.prorettype = 'trigger'::regtype
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind = 'f' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_TYPES = """
SELECT n.nspname, t.typname, pg_get_userbyid(t.typowner), t.typtype = 'd'
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (t.typtype = 'd' OR t.typtype = 'c' AND c.relkind = 'c') AND n.nspname NOT LIKE 'pg\\_%'
    AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
_SCHEMAS = """
SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace
WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('information_schema', 'public') ORDER BY 1
"""


def separate(cursor: Any, application: str) -> int:
    """Give every table, function and type to its role; returns how many changed hands. Safe to repeat.

    ``cursor``: of a connection as the owner of the database, a superuser or a member of both roles who may make roles. Does
    nothing where ``application`` is that owner itself: then one role does everything, and triggers are all there is.
    """
    cursor.execute("SELECT current_user, current_database()")
    owner, database = cursor.fetchone()
    if owner == application:
        return 0
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [LEDGER])
    if cursor.fetchone() is None:
        cursor.execute(_sql("CREATE ROLE {} NOLOGIN", LEDGER))
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    if cursor.fetchone() != (True,):
        cursor.execute(_sql("GRANT {} TO CURRENT_USER", LEDGER))
    cursor.execute(_sql("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {} TO {}", database, application))
    cursor.execute(_sql("GRANT CREATE, USAGE ON SCHEMA public TO {}", application))
    cursor.execute(_sql("GRANT CREATE, USAGE ON SCHEMA public TO {}", LEDGER))
    return sum(step(cursor, application) for step in (_schemas, _relations, _functions, _types))


def tell(cursor: Any, name: str, *, value: bool) -> None:
    """Say a setting to the triggers that ask for it. As the owner, or where one role does everything."""
    cursor.execute(
        "INSERT INTO public.finops_ownersetting (name, value) VALUES (%s, %s) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [name, value],
    )


def told(cursor: Any, name: str) -> bool:
    """Whether the triggers know a setting as true; says it first where the role in use may."""
    cursor.execute("SELECT has_table_privilege('public.finops_ownersetting', 'INSERT, UPDATE')")
    if cursor.fetchone() == (True,):
        tell(cursor, name, value=True)
    cursor.execute("SELECT value FROM public.finops_ownersetting WHERE name = %s", [name])
    return bool(cursor.fetchone() == (True,))


def _schemas(cursor: Any, application: str) -> int:
    cursor.execute(_SCHEMAS)
    found = [row for row in cursor.fetchall() if row[1] != application]
    for schema, _ in found:
        cursor.execute(_sql("ALTER SCHEMA {} OWNER TO {}", schema, application))
    return len(found)


def _relations(cursor: Any, application: str) -> int:
    cursor.execute(_RELATIONS)
    changed = 0
    for schema, name, has, guarded in cursor.fetchall():
        read_only = name in READ_ONLY
        wanted = LEDGER if guarded or read_only else application
        if has != wanted:
            changed += 1
            cursor.execute(_sql("ALTER TABLE {} OWNER TO {}", (schema, name), wanted))
        if wanted == LEDGER:
            may = "SELECT" if read_only else "SELECT, INSERT, UPDATE, DELETE"
            cursor.execute(_sql("REVOKE ALL ON {} FROM {}", (schema, name), application))
            cursor.execute(_sql(f"GRANT {may} ON {{}} TO {{}}", (schema, name), application))
            if not read_only:
                _number(cursor, schema, name, application)
    return changed


def _number(cursor: Any, schema: str, table: str, application: str) -> None:
    """Let the application take ids before it writes the rows."""
    cursor.execute(_SEQUENCES, [f'"{schema}"."{table}"'])
    for (sequence,) in cursor.fetchall():
        cursor.execute(_sql("GRANT USAGE ON SEQUENCE {} TO {}", (schema, sequence), application))


def _functions(cursor: Any, application: str) -> int:
    cursor.execute(_FUNCTIONS)
    changed = 0
    for schema, name, arguments, has, guards in cursor.fetchall():
        wanted = LEDGER if guards else application
        if has != wanted:
            changed += 1
            place = sql.SQL("{}({})").format(sql.Identifier(schema, name), sql.SQL(arguments))
            cursor.execute(sql.SQL("ALTER FUNCTION {} OWNER TO {}").format(place, sql.Identifier(wanted)))
    return changed


def _types(cursor: Any, application: str) -> int:
    cursor.execute(_TYPES)
    changed = 0
    for schema, name, has, bounds in cursor.fetchall():
        wanted = LEDGER if bounds else application
        if has != wanted:
            changed += 1
            cursor.execute(_sql("ALTER TYPE {} OWNER TO {}", (schema, name), wanted))
    return changed


def _sql(text: str, *names: str | tuple[str, str]) -> sql.Composed:
    parts = [sql.Identifier(*((name,) if isinstance(name, str) else name)) for name in names]
    return sql.SQL(text).format(*parts)
