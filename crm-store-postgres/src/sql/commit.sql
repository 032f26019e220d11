
-- Stores a commit whole or not at all. The arrays p_kinds … p_entries are parallel, one element for each record written
-- or guarded, in the one order in which all commits lock; p_order names those that are written, in the order in which
-- they are. A condition that does not hold is raised as CRM01 with JSON in the detail.
create function crm.commit_v1(
  p_tenant uuid, p_commit uuid, p_at timestamptz,
  p_key text, p_key_entry text, p_key_expires timestamptz,
  p_kinds text[], p_ids uuid[], p_modes text[], p_persons bigint[], p_machines bigint[], p_rows text[],
  p_entries boolean[], p_order integer[],
  p_changes text, p_claims text, p_definitions boolean, p_access boolean
) returns void language plpgsql as $$
declare
  i integer;
  v bigint;
  m bigint;
  f xid8;
  feeds xid8[] := '{}';
  done boolean;
  op record;
  held record;
begin
  if p_key is not null then
    insert into crm.idempotency_key as k (tenant_id, key, entry, expires_at)
    values (p_tenant, p_key, p_key_entry::jsonb, p_key_expires)
    on conflict (tenant_id, key) do update set entry = excluded.entry, expires_at = excluded.expires_at
    where k.expires_at <= p_at;
    if not found then
      raise exception 'the idempotency key has been used' using errcode = 'CRM01', detail = '{"key_used": true}';
    end if;
  end if;

  for i in 1 .. cardinality(p_ids) loop
    f := null;
    case p_kinds[i]
      -- {locks}
    end case;
    if (p_modes[i] = 'new') <> (v is null) or v <> p_persons[i] or m <> p_machines[i] then
      raise exception 'a record has changed' using errcode = 'CRM01', detail = jsonb_build_object('conflict',
        jsonb_build_object('kind', p_kinds[i], 'id', p_ids[i], 'versions', crm.versions_v1(p_tenant, p_kinds[i], p_ids[i])));
    end if;
    if f is not null then
      feeds[i] := f;
    end if;
  end loop;

  if p_claims is not null then
    for op in
      select x.* from jsonb_to_recordset(p_claims::jsonb) as x(
        tenant uuid, kind crm.kind, name text, value text, "from" uuid, from_kind crm.kind, "to" uuid, to_kind crm.kind)
    loop
      if op."from" is null then
        loop
          insert into crm.claim values (op.tenant, op.kind, op.name, op.value, p_tenant, op.to_kind, op."to")
          on conflict (tenant_id, kind, name, value) do nothing;
          exit when found;
          select c.holder_tenant_id, c.holder_kind, c.holder_id into held from crm.claim c
          where c.tenant_id = op.tenant and c.kind = op.kind and c.name = op.name and c.value = op.value for share;
          -- It may have been released meanwhile: then once more.
          if found then
            exit when held.holder_tenant_id = p_tenant and held.holder_kind = op.to_kind and held.holder_id = op."to";
            raise exception 'a unique value is taken' using errcode = 'CRM01', detail = jsonb_build_object('claimed',
              jsonb_build_object('tenant', op.tenant, 'kind', op.kind, 'name', op.name, 'value', op.value,
                'holder_kind', held.holder_kind, 'holder_id', held.holder_id));
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
          raise exception 'a claim is not held as said' using errcode = 'CRM01', detail = jsonb_build_object('conflict',
            jsonb_build_object('kind', op.from_kind, 'id', op."from",
              'versions', crm.versions_v1(p_tenant, op.from_kind::text, op."from")));
        end if;
      end if;
    end loop;
  end if;

  if p_order is not null then
    foreach i in array p_order loop
      case p_kinds[i]
        -- {writes}
      end case;
      -- A new record that another commit made since it was looked for.
      if not done then
        raise exception 'a record has changed' using errcode = 'CRM01', detail = jsonb_build_object('conflict',
          jsonb_build_object('kind', p_kinds[i], 'id', p_ids[i], 'versions', crm.versions_v1(p_tenant, p_kinds[i], p_ids[i])));
      end if;
    end loop;
  end if;

  if p_entries is not null then
    for i in 1 .. cardinality(p_entries) loop
      continue when not p_entries[i];
      case p_kinds[i]
        -- {enters}
      end case;
    end loop;
  end if;

  if p_changes is not null then
    insert into crm.change (tenant_id, kind, record_id, field_group, version, commit_id, recorded_at, occurred_at,
      changed_by, action, origin, fields, with_records, stage_move, feed_xid)
    select p_tenant, p_kinds[c.i]::crm.kind, p_ids[c.i], c.g, c.v, c.c, c.r, coalesce(c.o, c.r),
      c.b, c.a, c.origin, c.f, c.w, c.s, greatest(pg_current_xact_id(), feeds[c.i])
    from jsonb_to_recordset(p_changes::jsonb) as c(
      i integer, g smallint, v bigint, c uuid, r timestamptz, o timestamptz, b uuid, a text, origin jsonb, f jsonb,
      w jsonb, s uuid);
  end if;

  if p_definitions or p_access then
    insert into crm.epoch as e (tenant_id, definitions, access)
    values (p_tenant, case when p_definitions then p_commit end, case when p_access then p_commit end)
    on conflict (tenant_id) do update
    set definitions = coalesce(excluded.definitions, e.definitions), access = coalesce(excluded.access, e.access);
  end if;
end $$;
