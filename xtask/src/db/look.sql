with ns as (
  select oid, nspname from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'
), extension as (
  select classid, objid from pg_depend where deptype = 'e'
), rel as (
  select c.oid, nspname, relname, relkind from pg_class c join ns on ns.oid = relnamespace
  where not exists (select 1 from extension e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
)
select json_build_object(
  'database', current_database(),
  'server', current_setting('server_version'),
  'version_tables', (select coalesce(json_agg(json_build_object('schema', nspname, 'readable', has_schema_privilege(nspname, 'usage') and has_table_privilege(rel.oid, 'select'))), '[]')
    from rel where relname = 'alembic_version' and relkind in ('r', 'p')),
  'other_tools', (select coalesce(json_agg(nspname || '.' || relname), '[]')
    from rel where relname in ('flyway_schema_history', 'databasechangelog', 'django_migrations', 'schema_migrations', 'atlas_schema_revisions') and relkind = 'r'),
  'tables', (select coalesce(json_agg(nspname || '.' || relname order by nspname, relname), '[]')
    from rel where relkind in ('r', 'p', 'f', 'v', 'm') and relname <> 'alembic_version'),
  'types', (select coalesce(json_agg(nspname || '.' || typname order by nspname, typname), '[]')
    from pg_type t join ns on ns.oid = typnamespace where typtype in ('e', 'd')
      and not exists (select 1 from extension x where x.classid = 'pg_type'::regclass and x.objid = t.oid)),
  'invalid_indexes', (select coalesce(json_agg(indexrelid::regclass::text), '[]') from pg_index join rel on rel.oid = indrelid where not indisvalid),
  'not_validated', (select coalesce(json_agg(conrelid::regclass::text || '.' || conname), '[]') from pg_constraint join rel on rel.oid = conrelid where not convalidated)
)
