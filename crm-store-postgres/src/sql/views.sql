
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
