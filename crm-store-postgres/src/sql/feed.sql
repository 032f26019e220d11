
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
