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
