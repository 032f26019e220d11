
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
