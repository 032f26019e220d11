-- The tables besides those of kinds. Ids are blobs of 16 bytes, times are microseconds since 1970.

-- All changes of all records, append-only, numbered in the order of commits.
create table if not exists change (
  n integer primary key,
  tenant_id blob not null,
  kind text not null,
  record_id blob not null,
  field_group integer not null, -- 0 person, 1 machine
  version integer not null,
  commit_id blob not null,
  recorded_at integer not null,
  occurred_at integer not null,
  changed_by blob,
  action text not null,
  origin text,
  cause text,
  fields text not null,
  with_records text,
  stage_move blob
);
create unique index if not exists change_record
  on change (tenant_id, kind, record_id, recorded_at, field_group, version);
create index if not exists change_log on change (tenant_id, recorded_at, kind, record_id, field_group, version);
create index if not exists change_stage_move
  on change (tenant_id, stage_move, occurred_at, kind, record_id, field_group, version) where stage_move is not null;

-- The places of the consumers of the feed.
create table if not exists feed_place (
  consumer text primary key,
  fence integer not null, -- incremented by each write
  place text not null
) without rowid;

-- A value that at most one active record has. Under the nil tenant it is unique among all tenants.
create table if not exists claim (
  tenant_id blob not null,
  kind text not null,
  name text not null,
  value text not null,
  holder_tenant_id blob not null,
  holder_kind text not null,
  holder_id blob not null,
  primary key (tenant_id, kind, name, value)
) without rowid;

-- The entries of idempotency keys until they expire.
create table if not exists idempotency_key (
  tenant_id blob not null,
  key text not null,
  entry text not null,
  expires_at integer not null,
  primary key (tenant_id, key)
) without rowid;
create index if not exists idempotency_key_expires_at on idempotency_key (expires_at);

-- The last commits that changed definitions and access, by tenant.
create table if not exists epoch (
  tenant_id blob primary key,
  definitions blob,
  access blob
) without rowid;

-- For each kind, the sort keys and the tables of list-valued indexes that the last program maintained.
create table if not exists maintained (
  kind text primary key,
  names text not null
) without rowid;
