-- Made from the declarations by crm_store_postgres::ddl, as they were then. Once released it is never edited:
-- what is declared later comes in migrations of its own.

-- All changes of all records, append-only. In the order of (tick, seq) a record's changes are in version order.
create table crm.change (
  tenant_id uuid not null,
  kind text collate "C" not null,
  record_id uuid not null,
  field_group smallint not null, -- 0 person, 1 machine
  version bigint not null,
  commit_id uuid not null,
  recorded_at timestamptz not null,
  occurred_at timestamptz not null,
  changed_by uuid,
  action text collate "C" not null,
  origin jsonb,
  cause jsonb,
  fields jsonb not null,
  with_records jsonb,
  stage_move uuid,
  tick bigint not null,
  seq bigint generated always as identity,
  primary key (tenant_id, kind, record_id, recorded_at, field_group, version)
);
create index change_log on crm.change (tenant_id, recorded_at, kind, record_id, field_group, version);
create index change_stage_move on crm.change (tenant_id, stage_move, occurred_at, kind, record_id, field_group, version)
  where stage_move is not null;
create index change_feed on crm.change (tick, seq);

-- The places of the consumers of the feed.
create table crm.feed_place (
  consumer text collate "C" primary key,
  fence bigint not null, -- incremented by each write
  place json not null,
  kept_at timestamptz not null -- shows how far the consumer is behind
);

-- A value that at most one live record has. Under the nil tenant it is unique among all tenants.
create table crm.claim (
  tenant_id uuid not null,
  kind text collate "C" not null,
  name text collate "C" not null,
  value text collate "C" not null,
  holder_tenant_id uuid not null,
  holder_kind text collate "C" not null,
  holder_id uuid not null,
  primary key (tenant_id, kind, name, value)
);

-- The entries of idempotency keys until they expire.
create table crm.idempotency_key (
  tenant_id uuid not null,
  key text collate "C" not null,
  entry jsonb not null,
  expires_at timestamptz not null,
  primary key (tenant_id, key)
);
create index idempotency_key_expires_at on crm.idempotency_key (expires_at);

-- The last commits that changed definitions and access, by tenant.
create table crm.epoch (
  tenant_id uuid primary key,
  definitions uuid,
  access uuid
);

-- The clock of the feed. A commit marks its changes with the clock's value, the tick, and holds a shared advisory lock
-- on the tick until its transaction ends. Only commits therefore delay the feed, not other transactions. The keys of
-- the locks are (25458 << 48) + tick; 25458 is "cr" in ASCII.
create sequence crm.feed_clock;
-- An unused sequence and one that was called once have the same last_value.
select setval('crm.feed_clock', 1);

-- The earliest tick at which an open transaction has logged changes; null if there is none.
create function crm.feed_held_v1() returns bigint language sql volatile as $$
  select min((l.classid::bigint & 65535) << 32 | l.objid::bigint) from pg_catalog.pg_locks l
  where l.locktype = 'advisory' and l.objsubid = 1 and l.classid::bigint >> 16 = 25458
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
$$;

-- The tick before which no changes will be added. A snapshot taken later shows all changes of earlier ticks: each lock
-- on them was taken before the clock advanced, and is released only after its commit is visible. The clock advances
-- only if no earlier tick is locked, so that a long transaction delays few ticks.
create function crm.feed_horizon_v1() returns bigint language plpgsql volatile as $$
declare
  t bigint;
  held bigint;
begin
  if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
    raise exception 'the feed can only be read at isolation level read committed' using errcode = '22023';
  end if;
  select c.last_value into t from crm.feed_clock c;
  held := crm.feed_held_v1();
  if held is null or held >= t then
    t := nextval('crm.feed_clock');
    held := crm.feed_held_v1();
  end if;
  return least(t, held);
end $$;

-- The changes after a place, ordered by (tick, seq). Volatile, so that each statement has its own snapshot.
create function crm.feed_v1(p_tick bigint, p_seq bigint, p_limit integer) returns setof crm.change
language plpgsql volatile as $$
declare
  horizon bigint;
begin
  -- Ordered so that the index is used; usually there are no changes.
  perform from crm.change c where (c.tick, c.seq) > (p_tick, p_seq) order by c.tick, c.seq limit 1;
  if not found then
    return;
  end if;
  horizon := crm.feed_horizon_v1();
  return query select c.* from crm.change c
    where (c.tick, c.seq) > (p_tick, p_seq) and c.tick < horizon order by c.tick, c.seq limit p_limit;
end $$;

-- The versions of a record of any kind, as JSON; null if it does not exist.
create function crm.versions_v1(p_tenant uuid, p_kind text, p_id uuid) returns jsonb language plpgsql as $$
declare
  versions jsonb;
begin
  execute format('select jsonb_build_object(''person'', t.version, ''machine'', t.machine_version) from crm.%I t '
    'where t.tenant_id = $1 and t.id = $2', p_kind) into versions using p_tenant, p_id;
  return versions;
end $$;

-- Conflicting records of a kind, in the format of crm.refuse_v1.
create function crm.conflicts_v1(p_tenant uuid, p_kind text, p_ids uuid[]) returns jsonb language plpgsql as $$
begin
  return jsonb_build_object('conflicts', (select jsonb_agg(jsonb_build_object(
    'kind', p_kind, 'id', id, 'versions', crm.versions_v1(p_tenant, p_kind, id))) from unnest(p_ids) id));
end $$;

-- A commit is one statement that calls the functions below in this order, and for each kind lock_<kind>_v1,
-- write_<kind>_v1 and enter_<kind>_v1 as needed: `select case when crm.key_v1(…) then 1 when crm.lock_lead_v1(…) then 1
-- … end`. CASE evaluates each condition only if all previous ones were false. The functions always return false, and
-- report errors by raising. Nothing here depends on the kinds, and the server plans each call once per connection.

-- Raises the error of a commit as CRM01, with JSON in the detail. Conflicts take precedence over claims, so the new
-- records, which are not written yet, are checked for conflicts as well.
create function crm.refuse_v1(p_tenant uuid, p_new_kinds text[], p_new_ids uuid[], p_reason jsonb) returns void
language plpgsql as $$
declare
  conflicts jsonb := '[]';
  versions jsonb;
begin
  for i in 1 .. cardinality(p_new_ids) loop
    versions := crm.versions_v1(p_tenant, p_new_kinds[i], p_new_ids[i]);
    if versions is not null then
      conflicts := conflicts
        || jsonb_build_object('kind', p_new_kinds[i], 'id', p_new_ids[i], 'versions', versions);
    end if;
  end loop;
  if conflicts <> '[]' then
    p_reason := jsonb_build_object('conflicts', conflicts || coalesce(p_reason -> 'conflicts', '[]'));
  end if;
  raise exception 'the commit is refused' using errcode = 'CRM01', detail = p_reason;
end $$;

-- Stores an idempotency key.
create function crm.key_v1(p_tenant uuid, p_at timestamptz, p_key text, p_entry text, p_expires timestamptz)
returns boolean language plpgsql as $$
begin
  insert into crm.idempotency_key as k (tenant_id, key, entry, expires_at)
  values (p_tenant, p_key, p_entry::jsonb, p_expires)
  on conflict (tenant_id, key) do update set entry = excluded.entry, expires_at = excluded.expires_at
  where k.expires_at <= p_at;
  if not found then
    perform crm.refuse_v1(p_tenant, '{}', '{}', '"key_used"');
  end if;
  return false;
end $$;

-- Takes, releases and transfers claims, in the same order in all commits.
create function crm.claim_v1(p_tenant uuid, p_claims text, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  op record;
  held record;
begin
  for op in
    select x.* from jsonb_to_recordset(p_claims::jsonb) as x(
      tenant uuid, kind text, name text, value text, "from" uuid, from_kind text, "to" uuid, to_kind text)
  loop
    if op."from" is null then
      loop
        insert into crm.claim values (op.tenant, op.kind, op.name, op.value, p_tenant, op.to_kind, op."to")
        on conflict (tenant_id, kind, name, value) do nothing;
        exit when found;
        select c.holder_tenant_id, c.holder_kind, c.holder_id into held from crm.claim c
        where c.tenant_id = op.tenant and c.kind = op.kind and c.name = op.name and c.value = op.value for share;
        -- The claim may have been released in the meantime; then retry.
        if found then
          exit when held.holder_tenant_id = p_tenant and held.holder_kind = op.to_kind and held.holder_id = op."to";
          perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, jsonb_build_object('claimed',
            jsonb_build_object('tenant', op.tenant, 'kind', op.kind, 'name', op.name, 'value', op.value,
              'holder_id', held.holder_id)));
        end if;
      end loop;
    else
      if op."to" is null then
        delete from crm.claim c
        where c.tenant_id = op.tenant and c.kind = op.kind and c.name = op.name and c.value = op.value
          and c.holder_tenant_id = p_tenant and c.holder_kind = op.from_kind and c.holder_id = op."from";
      else
        update crm.claim c set holder_kind = op.to_kind, holder_id = op."to"
        where c.tenant_id = op.tenant and c.kind = op.kind and c.name = op.name and c.value = op.value
          and c.holder_tenant_id = p_tenant and c.holder_kind = op.from_kind and c.holder_id = op."from";
      end if;
      if not found then
        perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, jsonb_build_object('holder',
          jsonb_build_object('kind', op.from_kind, 'id', op."from",
            'versions', crm.versions_v1(p_tenant, op.from_kind, op."from"))));
      end if;
    end if;
  end loop;
  return false;
end $$;

-- Logs the changes of the written records, which are given as positions in p_kinds and p_ids.
create function crm.log_v1(p_tenant uuid, p_kinds text[], p_ids uuid[], p_changes text)
returns boolean language plpgsql as $$
declare
  t bigint;
begin
  -- The tick of the changes, locked until the transaction ends. The clock is read again under the lock, because a
  -- reader that advanced it in between may not have seen the lock. This follows the locking of the records, so that a
  -- record's next version never has an earlier tick.
  loop
    t := (select c.last_value from crm.feed_clock c);
    perform pg_advisory_xact_lock_shared((25458::bigint << 48) | t);
    exit when t = (select c.last_value from crm.feed_clock c);
  end loop;
  insert into crm.change (tenant_id, kind, record_id, field_group, version, commit_id, recorded_at, occurred_at,
    changed_by, action, origin, cause, fields, with_records, stage_move, tick)
  select p_tenant, p_kinds[c.i], p_ids[c.i], c.g, c.v, c.c, c.r, coalesce(c.o, c.r),
    c.b, c.a, c.origin, c.z, c.f, c.w, c.s, t
  from jsonb_to_recordset(p_changes::jsonb) as c(
    i integer, g smallint, v bigint, c uuid, r timestamptz, o timestamptz, b uuid, a text, origin jsonb, z jsonb,
    f jsonb, w jsonb, s uuid);
  return false;
end $$;

-- Records that a commit changed definitions or access.
create function crm.epoch_v1(p_tenant uuid, p_definitions uuid, p_access uuid) returns boolean language plpgsql as $$
begin
  insert into crm.epoch as e (tenant_id, definitions, access) values (p_tenant, p_definitions, p_access)
  on conflict (tenant_id) do update
  set definitions = coalesce(excluded.definitions, e.definitions), access = coalesce(excluded.access, e.access);
  return false;
end $$;

-- A stored value without its type tag: {"q": "10.5"} becomes "10.5", {"l": [{"t": "a"}]} becomes ["a"].
create function crm.untag(v jsonb) returns jsonb language plpgsql immutable parallel safe as $$
begin
  if v is null or jsonb_typeof(v) <> 'object' then
    return v;
  elsif v ? 'l' then
    return (select coalesce(jsonb_agg(crm.untag(e) order by n), '[]')
            from jsonb_array_elements(v -> 'l') with ordinality as x(e, n));
  elsif v ? 'p' then
    return crm.plain(v -> 'p');
  elsif v ? 'm' then
    return to_jsonb(to_char(timestamp '1970-01-01' + (v ->> 'm')::bigint * interval '1 microsecond',
      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'));
  elsif v ? 'n' or v ? 'x' then
    return 'null';
  end if;
  return (select value from jsonb_each(v) limit 1);
end $$;

-- Custom properties without tags.
create function crm.plain(properties jsonb) returns jsonb language plpgsql immutable parallel safe as $$
begin
  return (select coalesce(jsonb_object_agg(p.key, crm.untag(p.value)), '{}') from jsonb_each(properties) p);
end $$;

-- The contract for the embedder's own SQL: a view per kind and two for the log. Columns are only ever added.

create view crm.changes as
select tenant_id, kind, record_id, case field_group when 0 then 'person' else 'machine' end as field_group,
  version, commit_id, recorded_at, occurred_at, changed_by, action, origin, cause, stage_move
from crm.change;

create view crm.field_changes as
select c.tenant_id, c.kind, c.record_id, c.version, c.commit_id, c.recorded_at, c.occurred_at,
  c.changed_by, c.action, f ->> 'field' as field, crm.untag(f -> 'old') as old, crm.untag(f -> 'new') as new
from crm.change c, jsonb_array_elements(c.fields) f;

-- The lag of the feed: how many changes open transactions hold back, and when the first of them was recorded.
create view crm.feed_lag as
select count(*) as waiting, min(recorded_at) as since from crm.change
where tick >= (select crm.feed_held_v1());

create table crm."organization" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "name_key" text collate "C",
  "slug" text collate "C",
  "base_currency" text collate "C",
  "time_zone" text collate "C",
  "locale" text collate "C",
  "default_country" text collate "C",
  "fiscal_year_start_month" bigint,
  "week_start" text collate "C",
  "status" text collate "C",
  "branding" jsonb,
  "interaction_types" text[] collate "C",
  "allow_shared_emails" boolean,
  "admin_ids" uuid[],
  "seal_key" text collate "C",
  primary key (tenant_id, id)
);

create table crm."team" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "name_key" text collate "C",
  "parent_id" uuid,
  "manager_id" uuid,
  "description" text collate "C",
  primary key (tenant_id, id)
);

create table crm."role" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "key" text collate "C",
  "name" text collate "C",
  "name_key" text collate "C",
  "description" text collate "C",
  "inherits" uuid[],
  "grants" jsonb,
  "withheld" text[] collate "C",
  "field_rules" jsonb,
  "is_builtin" boolean,
  primary key (tenant_id, id)
);

create table crm."user" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "first_name" text collate "C",
  "last_name" text collate "C",
  "email" text collate "C",
  "role_ids" uuid[],
  "team_ids" uuid[],
  "manager_id" uuid,
  "department" text collate "C",
  "job_title" text collate "C",
  "phone" text collate "C",
  "time_zone" text collate "C",
  "locale" text collate "C",
  "is_active" boolean,
  "last_login_at" timestamptz,
  "name" text collate "C",
  "name_key" text collate "C",
  "deactivated_at" timestamptz,
  primary key (tenant_id, id)
);

-- (team_ids) → name: one row for each element of each live record.
create table crm."user_team_ids" (
  tenant_id uuid not null,
  id uuid not null,
  target_id uuid not null,
  sort text collate "C",
  primary key (tenant_id, id, target_id),
  foreign key (tenant_id, id) references crm."user" (tenant_id, id)
);
create index "user_team_ids_list" on crm."user_team_ids" (tenant_id, target_id, sort, id);

-- (role_ids) → name: one row for each element of each live record.
create table crm."user_role_ids" (
  tenant_id uuid not null,
  id uuid not null,
  target_id uuid not null,
  sort text collate "C",
  primary key (tenant_id, id, target_id),
  foreign key (tenant_id, id) references crm."user" (tenant_id, id)
);
create index "user_role_ids_list" on crm."user_role_ids" (tenant_id, target_id, sort, id);

create table crm."property" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "kind" text collate "C",
  "key" text collate "C",
  "name" text collate "C",
  "description" text collate "C",
  "type" text collate "C",
  "required" boolean,
  "unique" boolean,
  "reportable" boolean,
  "personal" boolean,
  "options" jsonb,
  "rules" jsonb,
  "position" bigint,
  primary key (tenant_id, id)
);

create table crm."pipeline" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "kind" text collate "C",
  "is_default" boolean,
  "position" bigint,
  "stages" jsonb,
  primary key (tenant_id, id)
);

create table crm."rate" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "currency" text collate "C",
  "day" date,
  "rate" numeric,
  "source" text collate "C",
  primary key (tenant_id, id)
);

create table crm."company" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "name_key" text collate "C",
  "domain" text collate "C",
  "website" text collate "C",
  "phone" text collate "C",
  "email" text collate "C",
  "industry" text collate "C",
  "employee_count" bigint,
  "annual_revenue" numeric,
  "annual_revenue_currency" text collate "C",
  "founded_year" bigint,
  "addresses" jsonb,
  "social" jsonb,
  "lifecycle" text collate "C",
  "parent_id" uuid,
  "source" text collate "C",
  "description" text collate "C",
  "tax_id" text collate "C",
  "owner_id" uuid,
  "team_id" uuid,
  "tags" text[] collate "C",
  "score" bigint,
  "lifetime_value" numeric,
  "size" text collate "C",
  "name_claim" text collate "C",
  "stem_claim" text collate "C",
  primary key (tenant_id, id)
);

-- (shared_with) → name: one row for each element of each live record.
create table crm."company_shared_with" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  sort text collate "C",
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."company" (tenant_id, id)
);
create index "company_shared_with_list" on crm."company_shared_with" (tenant_id, target_kind, target_id, sort, id);

create table crm."contact" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "first_name" text collate "C",
  "last_name" text collate "C",
  "name" text collate "C",
  "name_key" text collate "C",
  "salutation" text collate "C",
  "emails" jsonb,
  "phones" jsonb,
  "addresses" jsonb,
  "social" jsonb,
  "company_id" uuid,
  "job_title" text collate "C",
  "department" text collate "C",
  "lifecycle" text collate "C",
  "source" text collate "C",
  "description" text collate "C",
  "time_zone" text collate "C",
  "language" text collate "C",
  "do_not_email" boolean,
  "do_not_call" boolean,
  "owner_id" uuid,
  "team_id" uuid,
  "tags" text[] collate "C",
  "score" bigint,
  "lifetime_value" numeric,
  "email" text collate "C",
  "phone" text collate "C",
  primary key (tenant_id, id)
);

-- (shared_with) → created_at: one row for each element of each live record.
create table crm."contact_shared_with" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."contact" (tenant_id, id)
);
create index "contact_shared_with_list" on crm."contact_shared_with" (tenant_id, target_kind, target_id, sort, id);

create table crm."lead" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "first_name" text collate "C",
  "last_name" text collate "C",
  "email" text collate "C",
  "phone" text collate "C",
  "mobile_phone" text collate "C",
  "company_name" text collate "C",
  "job_title" text collate "C",
  "website" text collate "C",
  "industry" text collate "C",
  "employee_count" bigint,
  "annual_revenue" numeric,
  "annual_revenue_currency" text collate "C",
  "address" jsonb,
  "source" text collate "C",
  "source_detail" text collate "C",
  "pipeline_id" uuid,
  "stage_id" uuid,
  "unqualified_reason" text collate "C",
  "description" text collate "C",
  "do_not_email" boolean,
  "do_not_call" boolean,
  "owner_id" uuid,
  "team_id" uuid,
  "tags" text[] collate "C",
  "converted_at" timestamptz,
  "converted_contact_ids" uuid[],
  "converted_company_id" uuid,
  "converted_contact_by" text collate "C",
  "converted_company_by" text collate "C",
  "converted_deal_id" uuid,
  "score" bigint,
  "grade" text collate "C",
  "is_hot" boolean,
  "model_version" text collate "C",
  "scored_at" timestamptz,
  "last_activity_at" timestamptz,
  "next_task_due_at" timestamptz,
  "status" text collate "C",
  "stage_kind" text collate "C",
  "stage_entered_at" timestamptz,
  primary key (tenant_id, id)
);

-- (shared_with) → created_at: one row for each element of each live record.
create table crm."lead_shared_with" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."lead" (tenant_id, id)
);
create index "lead_shared_with_list" on crm."lead_shared_with" (tenant_id, target_kind, target_id, sort, id);

create table crm."deal" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "title" text collate "C",
  "description" text collate "C",
  "value" numeric,
  "value_currency" text collate "C",
  "pipeline_id" uuid,
  "stage_id" uuid,
  "probability" bigint,
  "expected_close_date" date,
  "actual_close_date" date,
  "close_reason" text collate "C",
  "close_note" text collate "C",
  "company_id" uuid,
  "primary_contact_id" uuid,
  "type" text collate "C",
  "forecast_category" text collate "C",
  "source" text collate "C",
  "next_step" text collate "C",
  "owner_id" uuid,
  "team_id" uuid,
  "tags" text[] collate "C",
  "lead_id" uuid,
  "score" bigint,
  "grade" text collate "C",
  "is_hot" boolean,
  "model_version" text collate "C",
  "scored_at" timestamptz,
  "status" text collate "C",
  "stage_kind" text collate "C",
  "stage_entered_at" timestamptz,
  "weighted_value" numeric,
  "weighted_value_currency" text collate "C",
  "close_date" date,
  primary key (tenant_id, id)
);

-- (shared_with) → created_at: one row for each element of each live record.
create table crm."deal_shared_with" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."deal" (tenant_id, id)
);
create index "deal_shared_with_list" on crm."deal_shared_with" (tenant_id, target_kind, target_id, sort, id);

create table crm."task" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "title" text collate "C",
  "description" text collate "C",
  "type" text collate "C",
  "category" text collate "C",
  "priority" text collate "C",
  "status" text collate "C",
  "due_at" timestamptz,
  "start_at" timestamptz,
  "assignee_id" uuid,
  "team_id" uuid,
  "links" text[] collate "C",
  "checklist" jsonb,
  "reminders" jsonb,
  "outcome" text collate "C",
  "is_open" boolean,
  "completed_at" timestamptz,
  "completed_by" uuid,
  primary key (tenant_id, id)
);

-- (links) → due_at: one row for each element of each live record.
create table crm."task_links" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."task" (tenant_id, id)
);
create index "task_links_list" on crm."task_links" (tenant_id, target_kind, target_id, sort, id);

create table crm."interaction" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "type" text collate "C",
  "direction" text collate "C",
  "subject" text collate "C",
  "content" text collate "C",
  "scheduled_at" timestamptz,
  "completed_at" timestamptz,
  "duration_seconds" bigint,
  "outcome" text collate "C",
  "location" text collate "C",
  "recording_url" text collate "C",
  "user_id" uuid,
  "team_id" uuid,
  "participants" jsonb,
  "links" text[] collate "C",
  "happens_at" timestamptz,
  "is_open" boolean,
  primary key (tenant_id, id)
);

-- (links) → happens_at: one row for each element of each live record.
create table crm."interaction_links" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."interaction" (tenant_id, id)
);
create index "interaction_links_list" on crm."interaction_links" (tenant_id, target_kind, target_id, sort, id);

create table crm."note" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "title" text collate "C",
  "content" text collate "C",
  "is_private" boolean,
  "is_pinned" boolean,
  "links" text[] collate "C",
  "author_id" uuid,
  primary key (tenant_id, id)
);

-- (links) → created_at: one row for each element of each live record.
create table crm."note_links" (
  tenant_id uuid not null,
  id uuid not null,
  target_kind text collate "C" not null,
  target_id uuid not null,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  sort timestamptz,
  primary key (tenant_id, id, target_kind, target_id),
  foreign key (tenant_id, id) references crm."note" (tenant_id, id)
);
create index "note_links_list" on crm."note_links" (tenant_id, target_kind, target_id, sort, id);

create table crm."association" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "from_kind" text collate "C",
  "from_id" uuid,
  "to_kind" text collate "C",
  "to_id" uuid,
  "label" text collate "C",
  "label_key" text collate "C",
  "role" text collate "C",
  "is_primary" boolean,
  "started_on" date,
  "ended_on" date,
  "from_team_id" uuid generated always as (case when "from_kind" = 'team' then "from_id" end) stored,
  "from_user_id" uuid generated always as (case when "from_kind" = 'user' then "from_id" end) stored,
  "from_company_id" uuid generated always as (case when "from_kind" = 'company' then "from_id" end) stored,
  "from_contact_id" uuid generated always as (case when "from_kind" = 'contact' then "from_id" end) stored,
  "from_lead_id" uuid generated always as (case when "from_kind" = 'lead' then "from_id" end) stored,
  "from_deal_id" uuid generated always as (case when "from_kind" = 'deal' then "from_id" end) stored,
  "from_task_id" uuid generated always as (case when "from_kind" = 'task' then "from_id" end) stored,
  "from_interaction_id" uuid generated always as (case when "from_kind" = 'interaction' then "from_id" end) stored,
  "from_note_id" uuid generated always as (case when "from_kind" = 'note' then "from_id" end) stored,
  "to_team_id" uuid generated always as (case when "to_kind" = 'team' then "to_id" end) stored,
  "to_user_id" uuid generated always as (case when "to_kind" = 'user' then "to_id" end) stored,
  "to_company_id" uuid generated always as (case when "to_kind" = 'company' then "to_id" end) stored,
  "to_contact_id" uuid generated always as (case when "to_kind" = 'contact' then "to_id" end) stored,
  "to_lead_id" uuid generated always as (case when "to_kind" = 'lead' then "to_id" end) stored,
  "to_deal_id" uuid generated always as (case when "to_kind" = 'deal' then "to_id" end) stored,
  "to_task_id" uuid generated always as (case when "to_kind" = 'task' then "to_id" end) stored,
  "to_interaction_id" uuid generated always as (case when "to_kind" = 'interaction' then "to_id" end) stored,
  "to_note_id" uuid generated always as (case when "to_kind" = 'note' then "to_id" end) stored,
  primary key (tenant_id, id)
);

create table crm."session" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "user_id" uuid,
  "address" text collate "C",
  "user_agent" text collate "C",
  "second_factor" boolean,
  "generation" bigint,
  "expires_at" timestamptz,
  "token_hash" text collate "C",
  "previous_hash" text collate "C",
  "rotated_at" timestamptz,
  primary key (tenant_id, id)
);

create table crm."api_key" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "name" text collate "C",
  "name_key" text collate "C",
  "user_id" uuid,
  "permissions" text[] collate "C",
  "prefix" text collate "C",
  "secret_hash" text collate "C",
  "previous_hash" text collate "C",
  "previous_until" timestamptz,
  "expires_at" timestamptz,
  "last_used_at" timestamptz,
  primary key (tenant_id, id)
);

create table crm."security_event" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "event" text collate "C",
  "user_id" uuid,
  "address" text collate "C",
  "user_agent" text collate "C",
  "detail" text collate "C",
  primary key (tenant_id, id)
);

create table crm."job" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "type" text collate "C",
  "user_id" uuid,
  "target" jsonb,
  "discloses" text[] collate "C",
  "status" text collate "C",
  "finished_at" timestamptz,
  "failure" text collate "C",
  "done" bigint,
  "held_back" jsonb,
  "held_back_count" bigint,
  "place" jsonb,
  "product" jsonb,
  "attempts" bigint,
  "due_at" timestamptz,
  primary key (tenant_id, id)
);

create table crm."scoring_model" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "key" text collate "C",
  "name" text collate "C",
  "name_key" text collate "C",
  "description" text collate "C",
  "kind" text collate "C",
  "definition" jsonb,
  "is_active" boolean,
  primary key (tenant_id, id)
);

create table crm."credential" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "user_id" uuid,
  "password_hash" text collate "C",
  "password_set_at" timestamptz,
  "totp_secret" text collate "C",
  "totp_since" timestamptz,
  "recovery_codes" text[] collate "C",
  "ticket_hash" text collate "C",
  "ticket_purpose" text collate "C",
  "ticket_expires_at" timestamptz,
  "session_generation" bigint,
  "totp_step" bigint,
  primary key (tenant_id, id)
);

create table crm."throttle" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "expires_at" timestamptz,
  "failures" bigint,
  "window_began_at" timestamptz,
  "locked_until" timestamptz,
  primary key (tenant_id, id)
);

create table crm."rescoring" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  "created_at" timestamptz not null,
  "created_by" uuid,
  "updated_at" timestamptz not null,
  "updated_by" uuid,
  "search_text" text collate "C",
  "archived_at" timestamptz,
  "external_id" text collate "C",
  "properties" jsonb,
  "shared_with" text[] collate "C",
  "merged_into" uuid,
  "source_ids" text[] collate "C",
  "aliases" text[] collate "C",
  "erased_at" timestamptz,
  "of" text collate "C",
  "due_at" timestamptz,
  "reached" jsonb,
  "over_at" timestamptz,
  primary key (tenant_id, id)
);

alter table crm."organization" add constraint "organization_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."organization" (tenant_id, id) deferrable initially deferred;
create index "organization_created_at" on crm."organization" (tenant_id, "created_at", id) where archived_at is null;
create index "organization_name_key" on crm."organization" (tenant_id, "name_key", id) where archived_at is null;
create index "organization_archived_created_at" on crm."organization" (tenant_id, "created_at", id) where archived_at is not null;
create index "organization_archived_at" on crm."organization" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_organization_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."organization" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."organization" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'organization', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_organization_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."organization" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "name_key", "slug", "base_currency", "time_zone", "locale", "default_country", "fiscal_year_start_month", "week_start", "status", "branding", "interaction_types", "allow_shared_emails", "admin_ids", "seal_key")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."name_key", r."slug", r."base_currency", r."time_zone", r."locale", r."default_country", r."fiscal_year_start_month", r."week_start", r."status", r."branding", r."interaction_types", r."allow_shared_emails", r."admin_ids", r."seal_key"
      from jsonb_populate_record(null::crm."organization", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."organization" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "name_key" = r."name_key", "slug" = r."slug", "base_currency" = r."base_currency", "time_zone" = r."time_zone", "locale" = r."locale", "default_country" = r."default_country", "fiscal_year_start_month" = r."fiscal_year_start_month", "week_start" = r."week_start", "status" = r."status", "branding" = r."branding", "interaction_types" = r."interaction_types", "allow_shared_emails" = r."allow_shared_emails", "admin_ids" = r."admin_ids", "seal_key" = r."seal_key"
      from crm."organization" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."organization" t set machine_version = r.machine_version
      from crm."organization" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'organization', there));
  end if;
  return false;
end $$;

create view crm."organizations" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "slug", "base_currency", "time_zone", "locale", "default_country", "fiscal_year_start_month", "week_start", "status", "branding", "interaction_types", "allow_shared_emails", "admin_ids"
from crm."organization";

alter table crm."team" add constraint "team_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."team" (tenant_id, id) deferrable initially deferred;
alter table crm."team" add constraint "team_parent_id_fkey" foreign key (tenant_id, "parent_id") references crm."team" (tenant_id, id) deferrable initially deferred;
alter table crm."team" add constraint "team_manager_id_fkey" foreign key (tenant_id, "manager_id") references crm."user" (tenant_id, id);
create index "team_created_at" on crm."team" (tenant_id, "created_at", id) where archived_at is null;
create index "team_name_key" on crm."team" (tenant_id, "name_key", id) where archived_at is null;
create index "team_parent_id_name_key" on crm."team" (tenant_id, "parent_id", "name_key", id) where archived_at is null;
create index "team_archived_created_at" on crm."team" (tenant_id, "created_at", id) where archived_at is not null;
create index "team_archived_at" on crm."team" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_team_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."team" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."team" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'team', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_team_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."team" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "name_key", "parent_id", "manager_id", "description")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."name_key", r."parent_id", r."manager_id", r."description"
      from jsonb_populate_record(null::crm."team", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."team" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "name_key" = r."name_key", "parent_id" = r."parent_id", "manager_id" = r."manager_id", "description" = r."description"
      from crm."team" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."team" t set machine_version = r.machine_version
      from crm."team" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'team', there));
  end if;
  return false;
end $$;

create view crm."teams" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "parent_id", "manager_id", "description"
from crm."team";

alter table crm."role" add constraint "role_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."role" (tenant_id, id) deferrable initially deferred;
create index "role_created_at" on crm."role" (tenant_id, "created_at", id) where archived_at is null;
create index "role_name_key" on crm."role" (tenant_id, "name_key", id) where archived_at is null;
create index "role_archived_created_at" on crm."role" (tenant_id, "created_at", id) where archived_at is not null;
create index "role_archived_at" on crm."role" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_role_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."role" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."role" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'role', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_role_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."role" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "key", "name", "name_key", "description", "inherits", "grants", "withheld", "field_rules", "is_builtin")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."key", r."name", r."name_key", r."description", r."inherits", r."grants", r."withheld", r."field_rules", r."is_builtin"
      from jsonb_populate_record(null::crm."role", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."role" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "key" = r."key", "name" = r."name", "name_key" = r."name_key", "description" = r."description", "inherits" = r."inherits", "grants" = r."grants", "withheld" = r."withheld", "field_rules" = r."field_rules", "is_builtin" = r."is_builtin"
      from crm."role" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."role" t set machine_version = r.machine_version
      from crm."role" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'role', there));
  end if;
  return false;
end $$;

create view crm."roles" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "key", "name", "description", "inherits", "grants", "withheld", "field_rules", "is_builtin"
from crm."role";

alter table crm."user" add constraint "user_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."user" (tenant_id, id) deferrable initially deferred;
alter table crm."user" add constraint "user_manager_id_fkey" foreign key (tenant_id, "manager_id") references crm."user" (tenant_id, id) deferrable initially deferred;
alter table crm."user_team_ids" add constraint "user_team_ids_target_id_fkey" foreign key (tenant_id, "target_id") references crm."team" (tenant_id, id);
alter table crm."user_role_ids" add constraint "user_role_ids_target_id_fkey" foreign key (tenant_id, "target_id") references crm."role" (tenant_id, id);
create index "user_created_at" on crm."user" (tenant_id, "created_at", id) where archived_at is null;
create index "user_name_key" on crm."user" (tenant_id, "name_key", id) where archived_at is null;
create index "user_manager_id_name_key" on crm."user" (tenant_id, "manager_id", "name_key", id) where archived_at is null;
create index "user_archived_created_at" on crm."user" (tenant_id, "created_at", id) where archived_at is not null;
create index "user_archived_at" on crm."user" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_user_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."user" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."user" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'user', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_user_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."user" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "first_name", "last_name", "email", "role_ids", "team_ids", "manager_id", "department", "job_title", "phone", "time_zone", "locale", "is_active", "name", "name_key", "deactivated_at", "last_login_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."first_name", r."last_name", r."email", r."role_ids", r."team_ids", r."manager_id", r."department", r."job_title", r."phone", r."time_zone", r."locale", r."is_active", r."name", r."name_key", r."deactivated_at", r."last_login_at"
      from jsonb_populate_record(null::crm."user", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."user" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "first_name" = r."first_name", "last_name" = r."last_name", "email" = r."email", "role_ids" = r."role_ids", "team_ids" = r."team_ids", "manager_id" = r."manager_id", "department" = r."department", "job_title" = r."job_title", "phone" = r."phone", "time_zone" = r."time_zone", "locale" = r."locale", "is_active" = r."is_active", "name" = r."name", "name_key" = r."name_key", "deactivated_at" = r."deactivated_at"
      from crm."user" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."user" t set machine_version = r.machine_version, "last_login_at" = r."last_login_at"
      from crm."user" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'user', there));
  end if;
  return false;
end $$;

create function crm.enter_user_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."user_team_ids" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."user_team_ids" (tenant_id, id, target_id, sort)
  select t.tenant_id, t.id, e, t."name_key" from crm."user" t, unnest(t."team_ids") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  delete from crm."user_role_ids" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."user_role_ids" (tenant_id, id, target_id, sort)
  select t.tenant_id, t.id, e, t."name_key" from crm."user" t, unnest(t."role_ids") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."users" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "first_name", "last_name", "email", "role_ids", "team_ids", "manager_id", "department", "job_title", "phone", "time_zone", "locale", "is_active", "last_login_at", "name", "deactivated_at"
from crm."user";

alter table crm."property" add constraint "property_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."property" (tenant_id, id) deferrable initially deferred;
create index "property_created_at" on crm."property" (tenant_id, "created_at", id) where archived_at is null;
create index "property_kind_position" on crm."property" (tenant_id, "kind", "position", id) where archived_at is null;
create index "property_archived_created_at" on crm."property" (tenant_id, "created_at", id) where archived_at is not null;
create index "property_archived_at" on crm."property" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_property_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."property" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."property" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'property', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_property_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."property" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "kind", "key", "name", "description", "type", "required", "unique", "reportable", "personal", "options", "rules", "position")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."kind", r."key", r."name", r."description", r."type", r."required", r."unique", r."reportable", r."personal", r."options", r."rules", r."position"
      from jsonb_populate_record(null::crm."property", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."property" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "kind" = r."kind", "key" = r."key", "name" = r."name", "description" = r."description", "type" = r."type", "required" = r."required", "unique" = r."unique", "reportable" = r."reportable", "personal" = r."personal", "options" = r."options", "rules" = r."rules", "position" = r."position"
      from crm."property" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."property" t set machine_version = r.machine_version
      from crm."property" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'property', there));
  end if;
  return false;
end $$;

create view crm."properties" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "kind", "key", "name", "description", "type", "required", "unique", "reportable", "personal", "options", "rules", "position"
from crm."property";

alter table crm."pipeline" add constraint "pipeline_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."pipeline" (tenant_id, id) deferrable initially deferred;
create index "pipeline_created_at" on crm."pipeline" (tenant_id, "created_at", id) where archived_at is null;
create index "pipeline_kind_position" on crm."pipeline" (tenant_id, "kind", "position", id) where archived_at is null;
create index "pipeline_archived_created_at" on crm."pipeline" (tenant_id, "created_at", id) where archived_at is not null;
create index "pipeline_archived_at" on crm."pipeline" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_pipeline_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."pipeline" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."pipeline" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'pipeline', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_pipeline_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."pipeline" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "kind", "is_default", "position", "stages")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."kind", r."is_default", r."position", r."stages"
      from jsonb_populate_record(null::crm."pipeline", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."pipeline" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "kind" = r."kind", "is_default" = r."is_default", "position" = r."position", "stages" = r."stages"
      from crm."pipeline" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."pipeline" t set machine_version = r.machine_version
      from crm."pipeline" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'pipeline', there));
  end if;
  return false;
end $$;

create view crm."pipelines" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "kind", "is_default", "position", "stages"
from crm."pipeline";

alter table crm."rate" add constraint "rate_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."rate" (tenant_id, id) deferrable initially deferred;
create index "rate_created_at" on crm."rate" (tenant_id, "created_at", id) where archived_at is null;
create index "rate_currency_day" on crm."rate" (tenant_id, "currency", "day", id) where archived_at is null;
create index "rate_archived_created_at" on crm."rate" (tenant_id, "created_at", id) where archived_at is not null;
create index "rate_archived_at" on crm."rate" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_rate_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."rate" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."rate" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'rate', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_rate_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."rate" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "currency", "day", "rate", "source")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."currency", r."day", r."rate", r."source"
      from jsonb_populate_record(null::crm."rate", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."rate" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "currency" = r."currency", "day" = r."day", "rate" = r."rate", "source" = r."source"
      from crm."rate" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."rate" t set machine_version = r.machine_version
      from crm."rate" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'rate', there));
  end if;
  return false;
end $$;

create view crm."rates" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "currency", "day", "rate", "source"
from crm."rate";

alter table crm."company" add constraint "company_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."company" (tenant_id, id) deferrable initially deferred;
alter table crm."company" add constraint "company_parent_id_fkey" foreign key (tenant_id, "parent_id") references crm."company" (tenant_id, id) deferrable initially deferred;
alter table crm."company" add constraint "company_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."company" add constraint "company_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
create index "company_created_at" on crm."company" (tenant_id, "created_at", id) where archived_at is null;
create index "company_name_key" on crm."company" (tenant_id, "name_key", id) where archived_at is null;
create index "company_owner_id_name_key" on crm."company" (tenant_id, "owner_id", "name_key", id) where archived_at is null;
create index "company_parent_id_name_key" on crm."company" (tenant_id, "parent_id", "name_key", id) where archived_at is null;
create index "company_team_id_name_key" on crm."company" (tenant_id, "team_id", "name_key", id) where archived_at is null;
create index "company_lifecycle_name_key" on crm."company" (tenant_id, "lifecycle", "name_key", id) where archived_at is null;
create index "company_archived_created_at" on crm."company" (tenant_id, "created_at", id) where archived_at is not null;
create index "company_archived_at" on crm."company" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_company_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."company" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."company" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'company', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_company_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."company" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "name_key", "domain", "website", "phone", "email", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "founded_year", "addresses", "social", "lifecycle", "parent_id", "source", "description", "tax_id", "owner_id", "team_id", "tags", "size", "name_claim", "stem_claim", "score", "lifetime_value")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."name_key", r."domain", r."website", r."phone", r."email", r."industry", r."employee_count", r."annual_revenue", r."annual_revenue_currency", r."founded_year", r."addresses", r."social", r."lifecycle", r."parent_id", r."source", r."description", r."tax_id", r."owner_id", r."team_id", r."tags", r."size", r."name_claim", r."stem_claim", r."score", r."lifetime_value"
      from jsonb_populate_record(null::crm."company", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."company" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "name_key" = r."name_key", "domain" = r."domain", "website" = r."website", "phone" = r."phone", "email" = r."email", "industry" = r."industry", "employee_count" = r."employee_count", "annual_revenue" = r."annual_revenue", "annual_revenue_currency" = r."annual_revenue_currency", "founded_year" = r."founded_year", "addresses" = r."addresses", "social" = r."social", "lifecycle" = r."lifecycle", "parent_id" = r."parent_id", "source" = r."source", "description" = r."description", "tax_id" = r."tax_id", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "size" = r."size", "name_claim" = r."name_claim", "stem_claim" = r."stem_claim"
      from crm."company" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."company" t set machine_version = r.machine_version, "score" = r."score", "lifetime_value" = r."lifetime_value"
      from crm."company" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'company', there));
  end if;
  return false;
end $$;

create function crm.enter_company_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."company_shared_with" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."company_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."name_key" from crm."company" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."companies" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "domain", "website", "phone", "email", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "founded_year", "addresses", "social", "lifecycle", "parent_id", "source", "description", "tax_id", "owner_id", "team_id", "tags", "score", "lifetime_value", "size"
from crm."company";

alter table crm."contact" add constraint "contact_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."contact" (tenant_id, id) deferrable initially deferred;
alter table crm."contact" add constraint "contact_company_id_fkey" foreign key (tenant_id, "company_id") references crm."company" (tenant_id, id);
alter table crm."contact" add constraint "contact_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."contact" add constraint "contact_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
create index "contact_created_at" on crm."contact" (tenant_id, "created_at", id) where archived_at is null;
create index "contact_owner_id_created_at" on crm."contact" (tenant_id, "owner_id", "created_at", id) where archived_at is null;
create index "contact_company_id_name_key" on crm."contact" (tenant_id, "company_id", "name_key", id) where archived_at is null;
create index "contact_team_id_created_at" on crm."contact" (tenant_id, "team_id", "created_at", id) where archived_at is null;
create index "contact_lifecycle_created_at" on crm."contact" (tenant_id, "lifecycle", "created_at", id) where archived_at is null;
create index "contact_name_key" on crm."contact" (tenant_id, "name_key", id) where archived_at is null;
create index "contact_archived_created_at" on crm."contact" (tenant_id, "created_at", id) where archived_at is not null;
create index "contact_archived_at" on crm."contact" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_contact_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."contact" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."contact" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'contact', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_contact_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."contact" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "first_name", "last_name", "name", "name_key", "salutation", "emails", "phones", "addresses", "social", "company_id", "job_title", "department", "lifecycle", "source", "description", "time_zone", "language", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "email", "phone", "score", "lifetime_value")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."first_name", r."last_name", r."name", r."name_key", r."salutation", r."emails", r."phones", r."addresses", r."social", r."company_id", r."job_title", r."department", r."lifecycle", r."source", r."description", r."time_zone", r."language", r."do_not_email", r."do_not_call", r."owner_id", r."team_id", r."tags", r."email", r."phone", r."score", r."lifetime_value"
      from jsonb_populate_record(null::crm."contact", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."contact" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "first_name" = r."first_name", "last_name" = r."last_name", "name" = r."name", "name_key" = r."name_key", "salutation" = r."salutation", "emails" = r."emails", "phones" = r."phones", "addresses" = r."addresses", "social" = r."social", "company_id" = r."company_id", "job_title" = r."job_title", "department" = r."department", "lifecycle" = r."lifecycle", "source" = r."source", "description" = r."description", "time_zone" = r."time_zone", "language" = r."language", "do_not_email" = r."do_not_email", "do_not_call" = r."do_not_call", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "email" = r."email", "phone" = r."phone"
      from crm."contact" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."contact" t set machine_version = r.machine_version, "score" = r."score", "lifetime_value" = r."lifetime_value"
      from crm."contact" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'contact', there));
  end if;
  return false;
end $$;

create function crm.enter_contact_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."contact_shared_with" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."contact_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."created_at" from crm."contact" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."contacts" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "first_name", "last_name", "name", "salutation", "emails", "phones", "addresses", "social", "company_id", "job_title", "department", "lifecycle", "source", "description", "time_zone", "language", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "score", "lifetime_value", "email", "phone"
from crm."contact";

alter table crm."lead" add constraint "lead_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."lead" (tenant_id, id) deferrable initially deferred;
alter table crm."lead" add constraint "lead_pipeline_id_fkey" foreign key (tenant_id, "pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."lead" add constraint "lead_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."lead" add constraint "lead_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."lead" add constraint "lead_converted_company_id_fkey" foreign key (tenant_id, "converted_company_id") references crm."company" (tenant_id, id);
alter table crm."lead" add constraint "lead_converted_deal_id_fkey" foreign key (tenant_id, "converted_deal_id") references crm."deal" (tenant_id, id) deferrable initially deferred;
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
create index "lead_created_at" on crm."lead" (tenant_id, "created_at", id) where archived_at is null;
create index "lead_owner_id_created_at" on crm."lead" (tenant_id, "owner_id", "created_at", id) where archived_at is null;
create index "lead_stage_id_created_at" on crm."lead" (tenant_id, "stage_id", "created_at", id) where archived_at is null;
create index "lead_team_id_created_at" on crm."lead" (tenant_id, "team_id", "created_at", id) where archived_at is null;
create index "lead_email_created_at" on crm."lead" (tenant_id, "email", "created_at", id) where archived_at is null;
create index "lead_owner_id_score" on crm."lead" (tenant_id, "owner_id", "score", id) where archived_at is null;
create index "lead_score" on crm."lead" (tenant_id, "score", id) where archived_at is null;
create index "lead_team_id_score" on crm."lead" (tenant_id, "team_id", "score", id) where archived_at is null;
create index "lead_archived_created_at" on crm."lead" (tenant_id, "created_at", id) where archived_at is not null;
create index "lead_archived_at" on crm."lead" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_lead_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."lead" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."lead" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'lead', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_lead_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."lead" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "first_name", "last_name", "email", "phone", "mobile_phone", "company_name", "job_title", "website", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "address", "source", "source_detail", "pipeline_id", "stage_id", "unqualified_reason", "description", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "converted_at", "converted_contact_ids", "converted_company_id", "converted_contact_by", "converted_company_by", "converted_deal_id", "status", "stage_kind", "stage_entered_at", "score", "grade", "is_hot", "model_version", "scored_at", "last_activity_at", "next_task_due_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."first_name", r."last_name", r."email", r."phone", r."mobile_phone", r."company_name", r."job_title", r."website", r."industry", r."employee_count", r."annual_revenue", r."annual_revenue_currency", r."address", r."source", r."source_detail", r."pipeline_id", r."stage_id", r."unqualified_reason", r."description", r."do_not_email", r."do_not_call", r."owner_id", r."team_id", r."tags", r."converted_at", r."converted_contact_ids", r."converted_company_id", r."converted_contact_by", r."converted_company_by", r."converted_deal_id", r."status", r."stage_kind", r."stage_entered_at", r."score", r."grade", r."is_hot", r."model_version", r."scored_at", r."last_activity_at", r."next_task_due_at"
      from jsonb_populate_record(null::crm."lead", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."lead" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "first_name" = r."first_name", "last_name" = r."last_name", "email" = r."email", "phone" = r."phone", "mobile_phone" = r."mobile_phone", "company_name" = r."company_name", "job_title" = r."job_title", "website" = r."website", "industry" = r."industry", "employee_count" = r."employee_count", "annual_revenue" = r."annual_revenue", "annual_revenue_currency" = r."annual_revenue_currency", "address" = r."address", "source" = r."source", "source_detail" = r."source_detail", "pipeline_id" = r."pipeline_id", "stage_id" = r."stage_id", "unqualified_reason" = r."unqualified_reason", "description" = r."description", "do_not_email" = r."do_not_email", "do_not_call" = r."do_not_call", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "converted_at" = r."converted_at", "converted_contact_ids" = r."converted_contact_ids", "converted_company_id" = r."converted_company_id", "converted_contact_by" = r."converted_contact_by", "converted_company_by" = r."converted_company_by", "converted_deal_id" = r."converted_deal_id", "status" = r."status", "stage_kind" = r."stage_kind", "stage_entered_at" = r."stage_entered_at"
      from crm."lead" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."lead" t set machine_version = r.machine_version, "score" = r."score", "grade" = r."grade", "is_hot" = r."is_hot", "model_version" = r."model_version", "scored_at" = r."scored_at", "last_activity_at" = r."last_activity_at", "next_task_due_at" = r."next_task_due_at"
      from crm."lead" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'lead', there));
  end if;
  return false;
end $$;

create function crm.enter_lead_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."lead_shared_with" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."lead_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."created_at" from crm."lead" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."leads" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "first_name", "last_name", "email", "phone", "mobile_phone", "company_name", "job_title", "website", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "address", "source", "source_detail", "pipeline_id", "stage_id", "unqualified_reason", "description", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "converted_at", "converted_contact_ids", "converted_company_id", "converted_contact_by", "converted_company_by", "converted_deal_id", "score", "grade", "is_hot", "model_version", "scored_at", "last_activity_at", "next_task_due_at", "status", "stage_kind", "stage_entered_at"
from crm."lead";

alter table crm."deal" add constraint "deal_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."deal" (tenant_id, id) deferrable initially deferred;
alter table crm."deal" add constraint "deal_pipeline_id_fkey" foreign key (tenant_id, "pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."deal" add constraint "deal_company_id_fkey" foreign key (tenant_id, "company_id") references crm."company" (tenant_id, id);
alter table crm."deal" add constraint "deal_primary_contact_id_fkey" foreign key (tenant_id, "primary_contact_id") references crm."contact" (tenant_id, id);
alter table crm."deal" add constraint "deal_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."deal" add constraint "deal_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."deal" add constraint "deal_lead_id_fkey" foreign key (tenant_id, "lead_id") references crm."lead" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
create index "deal_created_at" on crm."deal" (tenant_id, "created_at", id) where archived_at is null;
create index "deal_stage_id_close_date" on crm."deal" (tenant_id, "stage_id", "close_date", id) where archived_at is null;
create index "deal_owner_id_stage_kind_close_date" on crm."deal" (tenant_id, "owner_id", "stage_kind", "close_date", id) where archived_at is null;
create index "deal_stage_kind_close_date" on crm."deal" (tenant_id, "stage_kind", "close_date", id) where archived_at is null;
create index "deal_company_id_created_at" on crm."deal" (tenant_id, "company_id", "created_at", id) where archived_at is null;
create index "deal_team_id_stage_kind_close_date" on crm."deal" (tenant_id, "team_id", "stage_kind", "close_date", id) where archived_at is null;
create index "deal_primary_contact_id_created_at" on crm."deal" (tenant_id, "primary_contact_id", "created_at", id) where archived_at is null;
create index "deal_archived_created_at" on crm."deal" (tenant_id, "created_at", id) where archived_at is not null;
create index "deal_archived_at" on crm."deal" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_deal_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."deal" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."deal" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'deal', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_deal_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."deal" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "description", "value", "value_currency", "pipeline_id", "stage_id", "probability", "expected_close_date", "actual_close_date", "close_reason", "close_note", "company_id", "primary_contact_id", "type", "forecast_category", "source", "next_step", "owner_id", "team_id", "tags", "lead_id", "status", "stage_kind", "stage_entered_at", "weighted_value", "weighted_value_currency", "close_date", "score", "grade", "is_hot", "model_version", "scored_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."title", r."description", r."value", r."value_currency", r."pipeline_id", r."stage_id", r."probability", r."expected_close_date", r."actual_close_date", r."close_reason", r."close_note", r."company_id", r."primary_contact_id", r."type", r."forecast_category", r."source", r."next_step", r."owner_id", r."team_id", r."tags", r."lead_id", r."status", r."stage_kind", r."stage_entered_at", r."weighted_value", r."weighted_value_currency", r."close_date", r."score", r."grade", r."is_hot", r."model_version", r."scored_at"
      from jsonb_populate_record(null::crm."deal", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."deal" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "title" = r."title", "description" = r."description", "value" = r."value", "value_currency" = r."value_currency", "pipeline_id" = r."pipeline_id", "stage_id" = r."stage_id", "probability" = r."probability", "expected_close_date" = r."expected_close_date", "actual_close_date" = r."actual_close_date", "close_reason" = r."close_reason", "close_note" = r."close_note", "company_id" = r."company_id", "primary_contact_id" = r."primary_contact_id", "type" = r."type", "forecast_category" = r."forecast_category", "source" = r."source", "next_step" = r."next_step", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "lead_id" = r."lead_id", "status" = r."status", "stage_kind" = r."stage_kind", "stage_entered_at" = r."stage_entered_at", "weighted_value" = r."weighted_value", "weighted_value_currency" = r."weighted_value_currency", "close_date" = r."close_date"
      from crm."deal" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."deal" t set machine_version = r.machine_version, "score" = r."score", "grade" = r."grade", "is_hot" = r."is_hot", "model_version" = r."model_version", "scored_at" = r."scored_at"
      from crm."deal" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'deal', there));
  end if;
  return false;
end $$;

create function crm.enter_deal_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."deal_shared_with" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."deal_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."created_at" from crm."deal" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."deals" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "description", "value", "value_currency", "pipeline_id", "stage_id", "probability", "expected_close_date", "actual_close_date", "close_reason", "close_note", "company_id", "primary_contact_id", "type", "forecast_category", "source", "next_step", "owner_id", "team_id", "tags", "lead_id", "score", "grade", "is_hot", "model_version", "scored_at", "status", "stage_kind", "stage_entered_at", "weighted_value", "weighted_value_currency", "close_date"
from crm."deal";

alter table crm."task" add constraint "task_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."task" (tenant_id, id) deferrable initially deferred;
alter table crm."task" add constraint "task_assignee_id_fkey" foreign key (tenant_id, "assignee_id") references crm."user" (tenant_id, id);
alter table crm."task" add constraint "task_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."task" add constraint "task_completed_by_fkey" foreign key (tenant_id, "completed_by") references crm."user" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
create index "task_created_at" on crm."task" (tenant_id, "created_at", id) where archived_at is null;
create index "task_assignee_id_is_open_due_at" on crm."task" (tenant_id, "assignee_id", "is_open", "due_at", id) where archived_at is null;
create index "task_team_id_is_open_due_at" on crm."task" (tenant_id, "team_id", "is_open", "due_at", id) where archived_at is null;
create index "task_is_open_due_at" on crm."task" (tenant_id, "is_open", "due_at", id) where archived_at is null;
create index "task_assignee_id_completed_at" on crm."task" (tenant_id, "assignee_id", "completed_at", id) where archived_at is null;
create index "task_archived_created_at" on crm."task" (tenant_id, "created_at", id) where archived_at is not null;
create index "task_archived_at" on crm."task" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_task_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."task" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."task" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'task', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_task_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."task" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "description", "type", "category", "priority", "status", "due_at", "start_at", "assignee_id", "team_id", "links", "checklist", "reminders", "outcome", "is_open", "completed_at", "completed_by")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."title", r."description", r."type", r."category", r."priority", r."status", r."due_at", r."start_at", r."assignee_id", r."team_id", r."links", r."checklist", r."reminders", r."outcome", r."is_open", r."completed_at", r."completed_by"
      from jsonb_populate_record(null::crm."task", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."task" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "title" = r."title", "description" = r."description", "type" = r."type", "category" = r."category", "priority" = r."priority", "status" = r."status", "due_at" = r."due_at", "start_at" = r."start_at", "assignee_id" = r."assignee_id", "team_id" = r."team_id", "links" = r."links", "checklist" = r."checklist", "reminders" = r."reminders", "outcome" = r."outcome", "is_open" = r."is_open", "completed_at" = r."completed_at", "completed_by" = r."completed_by"
      from crm."task" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."task" t set machine_version = r.machine_version
      from crm."task" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'task', there));
  end if;
  return false;
end $$;

create function crm.enter_task_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."task_links" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."task_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."due_at" from crm."task" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."tasks" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "description", "type", "category", "priority", "status", "due_at", "start_at", "assignee_id", "team_id", "links", "checklist", "reminders", "outcome", "is_open", "completed_at", "completed_by"
from crm."task";

alter table crm."interaction" add constraint "interaction_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."interaction" (tenant_id, id) deferrable initially deferred;
alter table crm."interaction" add constraint "interaction_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."interaction" add constraint "interaction_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
create index "interaction_created_at" on crm."interaction" (tenant_id, "created_at", id) where archived_at is null;
create index "interaction_user_id_happens_at" on crm."interaction" (tenant_id, "user_id", "happens_at", id) where archived_at is null;
create index "interaction_user_id_is_open_scheduled_at" on crm."interaction" (tenant_id, "user_id", "is_open", "scheduled_at", id) where archived_at is null;
create index "interaction_team_id_happens_at" on crm."interaction" (tenant_id, "team_id", "happens_at", id) where archived_at is null;
create index "interaction_type_happens_at" on crm."interaction" (tenant_id, "type", "happens_at", id) where archived_at is null;
create index "interaction_archived_created_at" on crm."interaction" (tenant_id, "created_at", id) where archived_at is not null;
create index "interaction_archived_at" on crm."interaction" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_interaction_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."interaction" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."interaction" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'interaction', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_interaction_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."interaction" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "type", "direction", "subject", "content", "scheduled_at", "completed_at", "duration_seconds", "outcome", "location", "recording_url", "user_id", "team_id", "participants", "links", "happens_at", "is_open")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."type", r."direction", r."subject", r."content", r."scheduled_at", r."completed_at", r."duration_seconds", r."outcome", r."location", r."recording_url", r."user_id", r."team_id", r."participants", r."links", r."happens_at", r."is_open"
      from jsonb_populate_record(null::crm."interaction", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."interaction" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "type" = r."type", "direction" = r."direction", "subject" = r."subject", "content" = r."content", "scheduled_at" = r."scheduled_at", "completed_at" = r."completed_at", "duration_seconds" = r."duration_seconds", "outcome" = r."outcome", "location" = r."location", "recording_url" = r."recording_url", "user_id" = r."user_id", "team_id" = r."team_id", "participants" = r."participants", "links" = r."links", "happens_at" = r."happens_at", "is_open" = r."is_open"
      from crm."interaction" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."interaction" t set machine_version = r.machine_version
      from crm."interaction" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'interaction', there));
  end if;
  return false;
end $$;

create function crm.enter_interaction_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."interaction_links" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."interaction_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."happens_at" from crm."interaction" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."interactions" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "type", "direction", "subject", "content", "scheduled_at", "completed_at", "duration_seconds", "outcome", "location", "recording_url", "user_id", "team_id", "participants", "links", "happens_at", "is_open"
from crm."interaction";

alter table crm."note" add constraint "note_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."note" (tenant_id, id) deferrable initially deferred;
alter table crm."note" add constraint "note_author_id_fkey" foreign key (tenant_id, "author_id") references crm."user" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
create index "note_created_at" on crm."note" (tenant_id, "created_at", id) where archived_at is null;
create index "note_author_id_created_at" on crm."note" (tenant_id, "author_id", "created_at", id) where archived_at is null;
create index "note_archived_created_at" on crm."note" (tenant_id, "created_at", id) where archived_at is not null;
create index "note_archived_at" on crm."note" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_note_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."note" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."note" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'note', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_note_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."note" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "content", "is_private", "is_pinned", "links", "author_id")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."title", r."content", r."is_private", r."is_pinned", r."links", r."author_id"
      from jsonb_populate_record(null::crm."note", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."note" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "title" = r."title", "content" = r."content", "is_private" = r."is_private", "is_pinned" = r."is_pinned", "links" = r."links", "author_id" = r."author_id"
      from crm."note" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."note" t set machine_version = r.machine_version
      from crm."note" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'note', there));
  end if;
  return false;
end $$;

create function crm.enter_note_v1(p_tenant uuid, p_ids uuid[]) returns boolean language plpgsql as $$
begin
  delete from crm."note_links" where tenant_id = p_tenant and id = any(p_ids);
  insert into crm."note_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1), split_part(e, ':', 2)::uuid, t."created_at" from crm."note" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = any(p_ids) and t.archived_at is null
  on conflict do nothing;
  return false;
end $$;

create view crm."notes" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "title", "content", "is_private", "is_pinned", "links", "author_id"
from crm."note";

alter table crm."association" add constraint "association_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."association" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_team_id_fkey" foreign key (tenant_id, "from_team_id") references crm."team" (tenant_id, id);
alter table crm."association" add constraint "association_from_user_id_fkey" foreign key (tenant_id, "from_user_id") references crm."user" (tenant_id, id);
alter table crm."association" add constraint "association_from_company_id_fkey" foreign key (tenant_id, "from_company_id") references crm."company" (tenant_id, id);
alter table crm."association" add constraint "association_from_contact_id_fkey" foreign key (tenant_id, "from_contact_id") references crm."contact" (tenant_id, id);
alter table crm."association" add constraint "association_from_lead_id_fkey" foreign key (tenant_id, "from_lead_id") references crm."lead" (tenant_id, id);
alter table crm."association" add constraint "association_from_deal_id_fkey" foreign key (tenant_id, "from_deal_id") references crm."deal" (tenant_id, id);
alter table crm."association" add constraint "association_from_task_id_fkey" foreign key (tenant_id, "from_task_id") references crm."task" (tenant_id, id);
alter table crm."association" add constraint "association_from_interaction_id_fkey" foreign key (tenant_id, "from_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."association" add constraint "association_from_note_id_fkey" foreign key (tenant_id, "from_note_id") references crm."note" (tenant_id, id);
alter table crm."association" add constraint "association_to_team_id_fkey" foreign key (tenant_id, "to_team_id") references crm."team" (tenant_id, id);
alter table crm."association" add constraint "association_to_user_id_fkey" foreign key (tenant_id, "to_user_id") references crm."user" (tenant_id, id);
alter table crm."association" add constraint "association_to_company_id_fkey" foreign key (tenant_id, "to_company_id") references crm."company" (tenant_id, id);
alter table crm."association" add constraint "association_to_contact_id_fkey" foreign key (tenant_id, "to_contact_id") references crm."contact" (tenant_id, id);
alter table crm."association" add constraint "association_to_lead_id_fkey" foreign key (tenant_id, "to_lead_id") references crm."lead" (tenant_id, id);
alter table crm."association" add constraint "association_to_deal_id_fkey" foreign key (tenant_id, "to_deal_id") references crm."deal" (tenant_id, id);
alter table crm."association" add constraint "association_to_task_id_fkey" foreign key (tenant_id, "to_task_id") references crm."task" (tenant_id, id);
alter table crm."association" add constraint "association_to_interaction_id_fkey" foreign key (tenant_id, "to_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."association" add constraint "association_to_note_id_fkey" foreign key (tenant_id, "to_note_id") references crm."note" (tenant_id, id);
create index "association_created_at" on crm."association" (tenant_id, "created_at", id) where archived_at is null;
create index "association_from_kind_from_id_label_key" on crm."association" (tenant_id, "from_kind", "from_id", "label_key", id) where archived_at is null;
create index "association_to_kind_to_id_label_key" on crm."association" (tenant_id, "to_kind", "to_id", "label_key", id) where archived_at is null;
create index "association_archived_created_at" on crm."association" (tenant_id, "created_at", id) where archived_at is not null;
create index "association_archived_at" on crm."association" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_association_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."association" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."association" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'association', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_association_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."association" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "from_kind", "from_id", "to_kind", "to_id", "label", "label_key", "role", "is_primary", "started_on", "ended_on")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."from_kind", r."from_id", r."to_kind", r."to_id", r."label", r."label_key", r."role", r."is_primary", r."started_on", r."ended_on"
      from jsonb_populate_record(null::crm."association", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."association" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "from_kind" = r."from_kind", "from_id" = r."from_id", "to_kind" = r."to_kind", "to_id" = r."to_id", "label" = r."label", "label_key" = r."label_key", "role" = r."role", "is_primary" = r."is_primary", "started_on" = r."started_on", "ended_on" = r."ended_on"
      from crm."association" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."association" t set machine_version = r.machine_version
      from crm."association" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'association', there));
  end if;
  return false;
end $$;

create view crm."associations" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "from_kind", "from_id", "to_kind", "to_id", "label", "role", "is_primary", "started_on", "ended_on"
from crm."association";

alter table crm."session" add constraint "session_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
create index "session_expires_at" on crm."session" ("expires_at");
create index "session_created_at" on crm."session" (tenant_id, "created_at", id) where archived_at is null;
create index "session_user_id_created_at" on crm."session" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "session_archived_created_at" on crm."session" (tenant_id, "created_at", id) where archived_at is not null;
create index "session_archived_at" on crm."session" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_session_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."session" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."session" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'session', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_session_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."session" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "user_id", "address", "user_agent", "second_factor", "generation", "expires_at", "token_hash", "previous_hash", "rotated_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."user_id", r."address", r."user_agent", r."second_factor", r."generation", r."expires_at", r."token_hash", r."previous_hash", r."rotated_at"
      from jsonb_populate_record(null::crm."session", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."session" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "user_id" = r."user_id", "address" = r."address", "user_agent" = r."user_agent", "second_factor" = r."second_factor", "generation" = r."generation", "expires_at" = r."expires_at"
      from crm."session" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."session" t set machine_version = r.machine_version, "token_hash" = r."token_hash", "previous_hash" = r."previous_hash", "rotated_at" = r."rotated_at"
      from crm."session" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'session', there));
  end if;
  return false;
end $$;

create view crm."sessions" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "user_id", "address", "user_agent", "second_factor", "generation", "expires_at", "rotated_at"
from crm."session";

alter table crm."api_key" add constraint "api_key_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."api_key" (tenant_id, id) deferrable initially deferred;
alter table crm."api_key" add constraint "api_key_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
create index "api_key_created_at" on crm."api_key" (tenant_id, "created_at", id) where archived_at is null;
create index "api_key_name_key" on crm."api_key" (tenant_id, "name_key", id) where archived_at is null;
create index "api_key_user_id_name_key" on crm."api_key" (tenant_id, "user_id", "name_key", id) where archived_at is null;
create index "api_key_archived_created_at" on crm."api_key" (tenant_id, "created_at", id) where archived_at is not null;
create index "api_key_archived_at" on crm."api_key" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_api_key_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."api_key" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."api_key" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'api_key', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_api_key_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."api_key" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "name_key", "user_id", "permissions", "prefix", "secret_hash", "previous_hash", "previous_until", "expires_at", "last_used_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."name_key", r."user_id", r."permissions", r."prefix", r."secret_hash", r."previous_hash", r."previous_until", r."expires_at", r."last_used_at"
      from jsonb_populate_record(null::crm."api_key", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."api_key" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "name_key" = r."name_key", "user_id" = r."user_id", "permissions" = r."permissions", "prefix" = r."prefix", "secret_hash" = r."secret_hash", "previous_hash" = r."previous_hash", "previous_until" = r."previous_until", "expires_at" = r."expires_at"
      from crm."api_key" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."api_key" t set machine_version = r.machine_version, "last_used_at" = r."last_used_at"
      from crm."api_key" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'api_key', there));
  end if;
  return false;
end $$;

create view crm."api_keys" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "user_id", "permissions", "prefix", "previous_until", "expires_at", "last_used_at"
from crm."api_key";

alter table crm."security_event" add constraint "security_event_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."security_event" (tenant_id, id) deferrable initially deferred;
alter table crm."security_event" add constraint "security_event_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
create index "security_event_created_at" on crm."security_event" (tenant_id, "created_at", id) where archived_at is null;
create index "security_event_user_id_created_at" on crm."security_event" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "security_event_event_created_at" on crm."security_event" (tenant_id, "event", "created_at", id) where archived_at is null;
create index "security_event_archived_created_at" on crm."security_event" (tenant_id, "created_at", id) where archived_at is not null;
create index "security_event_archived_at" on crm."security_event" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_security_event_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."security_event" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."security_event" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'security_event', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_security_event_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."security_event" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "event", "user_id", "address", "user_agent", "detail")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."event", r."user_id", r."address", r."user_agent", r."detail"
      from jsonb_populate_record(null::crm."security_event", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."security_event" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "event" = r."event", "user_id" = r."user_id", "address" = r."address", "user_agent" = r."user_agent", "detail" = r."detail"
      from crm."security_event" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."security_event" t set machine_version = r.machine_version
      from crm."security_event" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'security_event', there));
  end if;
  return false;
end $$;

create view crm."security_events" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "event", "user_id", "address", "user_agent", "detail"
from crm."security_event";

alter table crm."job" add constraint "job_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."job" (tenant_id, id) deferrable initially deferred;
alter table crm."job" add constraint "job_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
create index "job_created_at" on crm."job" (tenant_id, "created_at", id) where archived_at is null;
create index "job_status_created_at" on crm."job" (tenant_id, "status", "created_at", id) where archived_at is null;
create index "job_user_id_created_at" on crm."job" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "job_due_at" on crm."job" (tenant_id, "due_at", id) where archived_at is null;
create index "job_archived_created_at" on crm."job" (tenant_id, "created_at", id) where archived_at is not null;
create index "job_archived_at" on crm."job" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_job_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."job" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."job" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'job', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_job_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."job" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "type", "user_id", "target", "discloses", "status", "finished_at", "failure", "done", "held_back", "held_back_count", "place", "product", "attempts", "due_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."type", r."user_id", r."target", r."discloses", r."status", r."finished_at", r."failure", r."done", r."held_back", r."held_back_count", r."place", r."product", r."attempts", r."due_at"
      from jsonb_populate_record(null::crm."job", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."job" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "type" = r."type", "user_id" = r."user_id", "target" = r."target", "discloses" = r."discloses", "status" = r."status", "finished_at" = r."finished_at", "failure" = r."failure"
      from crm."job" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."job" t set machine_version = r.machine_version, "done" = r."done", "held_back" = r."held_back", "held_back_count" = r."held_back_count", "place" = r."place", "product" = r."product", "attempts" = r."attempts", "due_at" = r."due_at"
      from crm."job" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'job', there));
  end if;
  return false;
end $$;

create view crm."jobs" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "type", "user_id", "target", "discloses", "status", "finished_at", "failure", "done", "held_back", "held_back_count", "place", "product", "attempts", "due_at"
from crm."job";

alter table crm."scoring_model" add constraint "scoring_model_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."scoring_model" (tenant_id, id) deferrable initially deferred;
create index "scoring_model_created_at" on crm."scoring_model" (tenant_id, "created_at", id) where archived_at is null;
create index "scoring_model_kind_name_key" on crm."scoring_model" (tenant_id, "kind", "name_key", id) where archived_at is null;
create index "scoring_model_archived_created_at" on crm."scoring_model" (tenant_id, "created_at", id) where archived_at is not null;
create index "scoring_model_archived_at" on crm."scoring_model" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_scoring_model_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."scoring_model" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."scoring_model" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'scoring_model', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_scoring_model_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."scoring_model" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "key", "name", "name_key", "description", "kind", "definition", "is_active")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."key", r."name", r."name_key", r."description", r."kind", r."definition", r."is_active"
      from jsonb_populate_record(null::crm."scoring_model", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."scoring_model" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "key" = r."key", "name" = r."name", "name_key" = r."name_key", "description" = r."description", "kind" = r."kind", "definition" = r."definition", "is_active" = r."is_active"
      from crm."scoring_model" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."scoring_model" t set machine_version = r.machine_version
      from crm."scoring_model" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'scoring_model', there));
  end if;
  return false;
end $$;

create view crm."scoring_models" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "key", "name", "description", "kind", "definition", "is_active"
from crm."scoring_model";

alter table crm."credential" add constraint "credential_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."credential" (tenant_id, id) deferrable initially deferred;
alter table crm."credential" add constraint "credential_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
create index "credential_created_at" on crm."credential" (tenant_id, "created_at", id) where archived_at is null;
create index "credential_archived_created_at" on crm."credential" (tenant_id, "created_at", id) where archived_at is not null;
create index "credential_archived_at" on crm."credential" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_credential_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."credential" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."credential" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'credential', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_credential_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."credential" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "user_id", "password_hash", "password_set_at", "totp_secret", "totp_since", "recovery_codes", "ticket_hash", "ticket_purpose", "ticket_expires_at", "session_generation", "totp_step")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."user_id", r."password_hash", r."password_set_at", r."totp_secret", r."totp_since", r."recovery_codes", r."ticket_hash", r."ticket_purpose", r."ticket_expires_at", r."session_generation", r."totp_step"
      from jsonb_populate_record(null::crm."credential", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."credential" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "user_id" = r."user_id", "password_hash" = r."password_hash", "password_set_at" = r."password_set_at", "totp_secret" = r."totp_secret", "totp_since" = r."totp_since", "recovery_codes" = r."recovery_codes", "ticket_hash" = r."ticket_hash", "ticket_purpose" = r."ticket_purpose", "ticket_expires_at" = r."ticket_expires_at", "session_generation" = r."session_generation"
      from crm."credential" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."credential" t set machine_version = r.machine_version, "totp_step" = r."totp_step"
      from crm."credential" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'credential', there));
  end if;
  return false;
end $$;

create view crm."credentials" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "user_id", "password_set_at", "totp_since", "ticket_purpose", "ticket_expires_at", "session_generation", "totp_step"
from crm."credential";

create index "throttle_expires_at" on crm."throttle" ("expires_at");
create index "throttle_created_at" on crm."throttle" (tenant_id, "created_at", id) where archived_at is null;
create index "throttle_archived_created_at" on crm."throttle" (tenant_id, "created_at", id) where archived_at is not null;
create index "throttle_archived_at" on crm."throttle" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_throttle_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."throttle" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."throttle" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'throttle', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_throttle_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."throttle" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "expires_at", "failures", "window_began_at", "locked_until")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."expires_at", r."failures", r."window_began_at", r."locked_until"
      from jsonb_populate_record(null::crm."throttle", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."throttle" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at"
      from crm."throttle" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."throttle" t set machine_version = r.machine_version, "expires_at" = r."expires_at", "failures" = r."failures", "window_began_at" = r."window_began_at", "locked_until" = r."locked_until"
      from crm."throttle" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'throttle', there));
  end if;
  return false;
end $$;

create view crm."throttles" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "expires_at", "failures", "window_began_at", "locked_until"
from crm."throttle";

create index "rescoring_over_at" on crm."rescoring" ("over_at");
create index "rescoring_created_at" on crm."rescoring" (tenant_id, "created_at", id) where archived_at is null;
create index "rescoring_due_at" on crm."rescoring" (tenant_id, "due_at", id) where archived_at is null;
create index "rescoring_archived_created_at" on crm."rescoring" (tenant_id, "created_at", id) where archived_at is not null;
create index "rescoring_archived_at" on crm."rescoring" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_rescoring_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."rescoring" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."rescoring" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'rescoring', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_rescoring_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."rescoring" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "of", "due_at", "reached", "over_at")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."of", r."due_at", r."reached", r."over_at"
      from jsonb_populate_record(null::crm."rescoring", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."rescoring" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at"
      from crm."rescoring" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."rescoring" t set machine_version = r.machine_version, "of" = r."of", "due_at" = r."due_at", "reached" = r."reached", "over_at" = r."over_at"
      from crm."rescoring" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'rescoring', there));
  end if;
  return false;
end $$;

create view crm."rescorings" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "of", "due_at", "reached", "over_at"
from crm."rescoring";
