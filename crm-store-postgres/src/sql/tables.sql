-- Every change of every record, append-only. In (tick, seq) a record's changes stand in version order.
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

-- How far each consumer of the feed has come.
create table crm.feed_place (
  consumer text collate "C" primary key,
  fence bigint not null, -- how often it was kept
  place json not null,
  kept_at timestamptz not null -- for who looks how far behind it is
);

-- A value that at most one live record has. Under the nil tenant, among all tenants.
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

-- What idempotency keys hold until they expire.
create table crm.idempotency_key (
  tenant_id uuid not null,
  key text collate "C" not null,
  entry jsonb not null,
  expires_at timestamptz not null,
  primary key (tenant_id, key)
);
create index idempotency_key_expires_at on crm.idempotency_key (expires_at);

-- The commits that last changed a definition, and what somebody may do, by tenant.
create table crm.epoch (
  tenant_id uuid primary key,
  definitions uuid,
  access uuid
);
