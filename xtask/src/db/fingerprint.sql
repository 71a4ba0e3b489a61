set search_path = pg_catalog;
with ns as (
  select oid, nspname from pg_namespace
  where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'
), extension as (
  select classid, objid from pg_depend where deptype = 'e'
), rel as (
  select c.*, n.nspname from pg_class c join ns n on n.oid = c.relnamespace
  where not exists (select 1 from extension e where e.classid = 'pg_class'::regclass and e.objid = c.oid)
    and c.relname not in ('alembic_version', 'alembic_version_pkc')
), line (text) as (
  select 'table ' || nspname || '.' || relname || case relkind when 'p' then ' partitioned' when 'f' then ' foreign' else '' end
    || case when relrowsecurity then ' row-security' else '' end
  from rel where relkind in ('r', 'p', 'f')
  union all
  select 'column ' || nspname || '.' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod)
    || case when attnotnull then ' not null' else '' end
    || case when attidentity::text <> '' then ' identity ' || attidentity::text else '' end
    || case when attgenerated::text <> '' then ' generated' else '' end
    || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    || case when attcollation <> 0 and attcollation <> t.typcollation then ' collate ' || (select collname from pg_collation where oid = attcollation) else '' end
  from rel join pg_attribute a on attrelid = rel.oid and attnum > 0 and not attisdropped
    join pg_type t on t.oid = atttypid left join pg_attrdef d on adrelid = rel.oid and adnum = attnum
  where relkind in ('r', 'p', 'f')
  union all
  select 'index ' || nspname || '.' || relname || ' ' || pg_get_indexdef(rel.oid) || case when indisvalid then '' else ' INVALID' end
  from rel join pg_index on indexrelid = rel.oid
  where not exists (select 1 from pg_constraint where conindid = rel.oid and contype in ('p', 'u', 'x') and conrelid = indrelid)
  union all
  select 'constraint ' || nspname || '.' || relname || '.' || conname || ' ' || pg_get_constraintdef(c.oid)
  from rel join pg_constraint c on conrelid = rel.oid
  union all
  select 'enum ' || nspname || '.' || typname || ' (' || string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) || ')'
  from pg_type t join ns on ns.oid = typnamespace join pg_enum e on enumtypid = t.oid
  where not exists (select 1 from extension x where x.classid = 'pg_type'::regclass and x.objid = t.oid)
  group by nspname, typname
  union all
  select 'domain ' || nspname || '.' || typname || ' ' || format_type(typbasetype, typtypmod)
  from pg_type t join ns on ns.oid = typnamespace where typtype = 'd'
    and not exists (select 1 from extension x where x.classid = 'pg_type'::regclass and x.objid = t.oid)
  union all
  select 'sequence ' || nspname || '.' || relname || ' ' || format_type(seqtypid, null) || ' increment ' || seqincrement
  from rel join pg_sequence on seqrelid = rel.oid where relkind = 'S'
  union all
  select 'view ' || nspname || '.' || relname || ' ' || pg_get_viewdef(rel.oid) from rel where relkind in ('v', 'm')
  union all
  select 'trigger ' || nspname || '.' || relname || '.' || tgname || ' ' || pg_get_triggerdef(g.oid)
  from rel join pg_trigger g on tgrelid = rel.oid where not tgisinternal
  union all
  select 'function ' || nspname || '.' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ') ' || md5(prosrc)
  from pg_proc p join ns on ns.oid = pronamespace where prokind in ('f', 'p')
    and not exists (select 1 from extension x where x.classid = 'pg_proc'::regclass and x.objid = p.oid)
)
select regexp_replace(text, '\s+', ' ', 'g') from line order by text collate "C"
