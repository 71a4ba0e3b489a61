"""Compares the schema that migrations made with the one that the models want, as PostgreSQL itself describes both.

The models are created in a schema of their own inside a transaction that is rolled back; then columns, constraints, indexes and enums
of both schemas are read from the catalogue. Nothing is ignored but the version table of Alembic.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, MetaData, text

from app.checks.report import Finding

WANTED = "models_say"
VERSION_TABLE = "alembic_version"

_COLUMNS = """
SELECT c.relname, a.attname,
       format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE WHEN a.attidentity <> '' THEN ' identity' ELSE '' END
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> :version
"""
_CONSTRAINTS = """
SELECT c.relname, k.conname, pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' not validated' END
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname <> :version
"""
_INDEXES = """
SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid) || CASE WHEN x.indisvalid THEN '' ELSE ' invalid' END
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = :schema AND c.relname <> :version AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.indexrelid)
"""
_ENUMS = """
SELECT t.typname, '', string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE n.nspname = :schema GROUP BY t.typname
"""
_KINDS = {"column": _COLUMNS, "constraint": _CONSTRAINTS, "index": _INDEXES, "enum": _ENUMS}

Described = dict[tuple[str, str, str], str]


def describe(connection: Connection, schema: str) -> Described:
    """What a schema holds: kind, table and name of each thing, with its definition."""
    found: Described = {}
    for kind, query in _KINDS.items():
        for table, name, definition in connection.execute(text(query), {"schema": schema, "version": VERSION_TABLE}):
            found[(kind, table, name)] = definition.replace(f"{schema}.", "")
    return found


def compare(wanted: Mapping[tuple[str, str, str], str], there: Mapping[tuple[str, str, str], str]) -> list[Finding]:
    """One finding for each thing of either side; a thing under another name is one finding and not two."""
    findings = []
    missing = {key: definition for key, definition in wanted.items() if key not in there}
    extra = {key: definition for key, definition in there.items() if key not in wanted}
    for key, definition in wanted.items():
        if key in there and there[key] != definition:
            findings.append(Finding(_name(key), f"the models say `{definition}`, the database has `{there[key]}`"))
        elif key in there:
            findings.append(Finding(_name(key)))
    for key, definition in missing.items():
        twin = next((other for other in extra if other[:2] == key[:2] and _nameless(extra[other], other) == _nameless(definition, key)), None)
        if twin is not None:
            del extra[twin]
            findings.append(Finding(_name(key), f"the database has it under the name `{twin[2]}`"))
        else:
            findings.append(Finding(_name(key), f"missing in the database: `{definition}`"))
    findings.extend(Finding(_name(key), f"the models do not know it: `{definition}`") for key, definition in extra.items())
    return findings


def _name(key: tuple[str, str, str]) -> str:
    return " ".join(part for part in key if part)


def _nameless(definition: str, key: tuple[str, str, str]) -> str:
    return definition.replace(key[2], "?") if key[2] else definition


def findings(connection: Connection, metadata: MetaData) -> list[Finding]:
    """The comparison on a connection; what it creates is undone."""
    with connection.begin() as transaction:
        connection.execute(text(f"CREATE SCHEMA {WANTED}"))
        connection.execute(text(f"SET LOCAL search_path TO {WANTED}"))
        metadata.create_all(connection, checkfirst=False)
        wanted = describe(connection, WANTED)
        connection.execute(text("SET LOCAL search_path TO public"))
        there = describe(connection, "public")
        transaction.rollback()
    return compare(wanted, there)
