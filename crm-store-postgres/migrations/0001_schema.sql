-- Made from the declarations by crm_store_postgres::ddl, as they were then.

-- In the order in which commits lock.
create type crm.kind as enum ('organization', 'team', 'role', 'user', 'property', 'pipeline', 'rate', 'company', 'contact', 'lead', 'deal', 'task', 'interaction', 'note', 'association', 'credential', 'session', 'api_key', 'throttle', 'security_event', 'job', 'scoring_model', 'rescoring');

-- Every change of every record, append-only. feed_xid is the transaction that brought it, or that of the record's
-- change before where that is later: so in (feed_xid, seq) a record's changes stand in version order, also where a
-- commit joined an older transaction.
create table crm.change (
  tenant_id uuid not null,
  kind crm.kind not null,
  record_id uuid not null,
  field_group smallint not null, -- 0 person, 1 machine
  version bigint not null,
  commit_id uuid not null,
  recorded_at timestamptz not null,
  occurred_at timestamptz not null,
  changed_by uuid,
  action text collate "C" not null,
  origin jsonb,
  fields jsonb not null,
  with_records jsonb,
  stage_move uuid,
  feed_xid xid8 not null,
  seq bigint generated always as identity,
  primary key (tenant_id, kind, record_id, recorded_at, field_group, version)
);
create index change_log on crm.change (tenant_id, recorded_at, kind, record_id, field_group, version);
create index change_stage_move on crm.change (tenant_id, stage_move, occurred_at, kind, record_id, field_group, version)
  where stage_move is not null;
create index change_feed on crm.change (feed_xid, seq);

-- How far each consumer of the feed has come.
create table crm.feed_cursor (
  consumer text collate "C" primary key,
  cursor text collate "C" not null,
  kept_at timestamptz not null -- for who looks how far behind it is
);

-- A value that at most one live record has. Under the nil tenant, among all tenants.
create table crm.claim (
  tenant_id uuid not null,
  kind crm.kind not null,
  name text collate "C" not null,
  value text collate "C" not null,
  holder_tenant_id uuid not null,
  holder_kind crm.kind not null,
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

create table crm."organization" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "key" text collate "C",
  "name" text collate "C",
  "name_key" text collate "C",
  "description" text collate "C",
  "inherits" uuid[],
  "grants" jsonb,
  "field_rules" jsonb,
  "is_builtin" boolean,
  primary key (tenant_id, id)
);

create table crm."user" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  target_kind crm.kind not null,
  target_id uuid not null,
  "target_organization_id" uuid generated always as (case when "target_kind" = 'organization' then "target_id" end) stored,
  "target_team_id" uuid generated always as (case when "target_kind" = 'team' then "target_id" end) stored,
  "target_role_id" uuid generated always as (case when "target_kind" = 'role' then "target_id" end) stored,
  "target_user_id" uuid generated always as (case when "target_kind" = 'user' then "target_id" end) stored,
  "target_property_id" uuid generated always as (case when "target_kind" = 'property' then "target_id" end) stored,
  "target_pipeline_id" uuid generated always as (case when "target_kind" = 'pipeline' then "target_id" end) stored,
  "target_rate_id" uuid generated always as (case when "target_kind" = 'rate' then "target_id" end) stored,
  "target_company_id" uuid generated always as (case when "target_kind" = 'company' then "target_id" end) stored,
  "target_contact_id" uuid generated always as (case when "target_kind" = 'contact' then "target_id" end) stored,
  "target_lead_id" uuid generated always as (case when "target_kind" = 'lead' then "target_id" end) stored,
  "target_deal_id" uuid generated always as (case when "target_kind" = 'deal' then "target_id" end) stored,
  "target_task_id" uuid generated always as (case when "target_kind" = 'task' then "target_id" end) stored,
  "target_interaction_id" uuid generated always as (case when "target_kind" = 'interaction' then "target_id" end) stored,
  "target_note_id" uuid generated always as (case when "target_kind" = 'note' then "target_id" end) stored,
  "target_association_id" uuid generated always as (case when "target_kind" = 'association' then "target_id" end) stored,
  "target_credential_id" uuid generated always as (case when "target_kind" = 'credential' then "target_id" end) stored,
  "target_session_id" uuid generated always as (case when "target_kind" = 'session' then "target_id" end) stored,
  "target_api_key_id" uuid generated always as (case when "target_kind" = 'api_key' then "target_id" end) stored,
  "target_throttle_id" uuid generated always as (case when "target_kind" = 'throttle' then "target_id" end) stored,
  "target_security_event_id" uuid generated always as (case when "target_kind" = 'security_event' then "target_id" end) stored,
  "target_job_id" uuid generated always as (case when "target_kind" = 'job' then "target_id" end) stored,
  "target_scoring_model_id" uuid generated always as (case when "target_kind" = 'scoring_model' then "target_id" end) stored,
  "target_rescoring_id" uuid generated always as (case when "target_kind" = 'rescoring' then "target_id" end) stored,
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "from_kind" crm.kind,
  "from_id" uuid,
  "to_kind" crm.kind,
  "to_id" uuid,
  "label" text collate "C",
  "label_key" text collate "C",
  "role" text collate "C",
  "is_primary" boolean,
  "started_on" date,
  "ended_on" date,
  "from_organization_id" uuid generated always as (case when "from_kind" = 'organization' then "from_id" end) stored,
  "from_team_id" uuid generated always as (case when "from_kind" = 'team' then "from_id" end) stored,
  "from_role_id" uuid generated always as (case when "from_kind" = 'role' then "from_id" end) stored,
  "from_user_id" uuid generated always as (case when "from_kind" = 'user' then "from_id" end) stored,
  "from_property_id" uuid generated always as (case when "from_kind" = 'property' then "from_id" end) stored,
  "from_pipeline_id" uuid generated always as (case when "from_kind" = 'pipeline' then "from_id" end) stored,
  "from_rate_id" uuid generated always as (case when "from_kind" = 'rate' then "from_id" end) stored,
  "from_company_id" uuid generated always as (case when "from_kind" = 'company' then "from_id" end) stored,
  "from_contact_id" uuid generated always as (case when "from_kind" = 'contact' then "from_id" end) stored,
  "from_lead_id" uuid generated always as (case when "from_kind" = 'lead' then "from_id" end) stored,
  "from_deal_id" uuid generated always as (case when "from_kind" = 'deal' then "from_id" end) stored,
  "from_task_id" uuid generated always as (case when "from_kind" = 'task' then "from_id" end) stored,
  "from_interaction_id" uuid generated always as (case when "from_kind" = 'interaction' then "from_id" end) stored,
  "from_note_id" uuid generated always as (case when "from_kind" = 'note' then "from_id" end) stored,
  "from_association_id" uuid generated always as (case when "from_kind" = 'association' then "from_id" end) stored,
  "from_credential_id" uuid generated always as (case when "from_kind" = 'credential' then "from_id" end) stored,
  "from_session_id" uuid generated always as (case when "from_kind" = 'session' then "from_id" end) stored,
  "from_api_key_id" uuid generated always as (case when "from_kind" = 'api_key' then "from_id" end) stored,
  "from_throttle_id" uuid generated always as (case when "from_kind" = 'throttle' then "from_id" end) stored,
  "from_security_event_id" uuid generated always as (case when "from_kind" = 'security_event' then "from_id" end) stored,
  "from_job_id" uuid generated always as (case when "from_kind" = 'job' then "from_id" end) stored,
  "from_scoring_model_id" uuid generated always as (case when "from_kind" = 'scoring_model' then "from_id" end) stored,
  "from_rescoring_id" uuid generated always as (case when "from_kind" = 'rescoring' then "from_id" end) stored,
  "to_organization_id" uuid generated always as (case when "to_kind" = 'organization' then "to_id" end) stored,
  "to_team_id" uuid generated always as (case when "to_kind" = 'team' then "to_id" end) stored,
  "to_role_id" uuid generated always as (case when "to_kind" = 'role' then "to_id" end) stored,
  "to_user_id" uuid generated always as (case when "to_kind" = 'user' then "to_id" end) stored,
  "to_property_id" uuid generated always as (case when "to_kind" = 'property' then "to_id" end) stored,
  "to_pipeline_id" uuid generated always as (case when "to_kind" = 'pipeline' then "to_id" end) stored,
  "to_rate_id" uuid generated always as (case when "to_kind" = 'rate' then "to_id" end) stored,
  "to_company_id" uuid generated always as (case when "to_kind" = 'company' then "to_id" end) stored,
  "to_contact_id" uuid generated always as (case when "to_kind" = 'contact' then "to_id" end) stored,
  "to_lead_id" uuid generated always as (case when "to_kind" = 'lead' then "to_id" end) stored,
  "to_deal_id" uuid generated always as (case when "to_kind" = 'deal' then "to_id" end) stored,
  "to_task_id" uuid generated always as (case when "to_kind" = 'task' then "to_id" end) stored,
  "to_interaction_id" uuid generated always as (case when "to_kind" = 'interaction' then "to_id" end) stored,
  "to_note_id" uuid generated always as (case when "to_kind" = 'note' then "to_id" end) stored,
  "to_association_id" uuid generated always as (case when "to_kind" = 'association' then "to_id" end) stored,
  "to_credential_id" uuid generated always as (case when "to_kind" = 'credential' then "to_id" end) stored,
  "to_session_id" uuid generated always as (case when "to_kind" = 'session' then "to_id" end) stored,
  "to_api_key_id" uuid generated always as (case when "to_kind" = 'api_key' then "to_id" end) stored,
  "to_throttle_id" uuid generated always as (case when "to_kind" = 'throttle' then "to_id" end) stored,
  "to_security_event_id" uuid generated always as (case when "to_kind" = 'security_event' then "to_id" end) stored,
  "to_job_id" uuid generated always as (case when "to_kind" = 'job' then "to_id" end) stored,
  "to_scoring_model_id" uuid generated always as (case when "to_kind" = 'scoring_model' then "to_id" end) stored,
  "to_rescoring_id" uuid generated always as (case when "to_kind" = 'rescoring' then "to_id" end) stored,
  primary key (tenant_id, id)
);

create table crm."credential" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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

create table crm."session" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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

create table crm."throttle" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "expires_at" timestamptz,
  "failures" bigint,
  "window_began_at" timestamptz,
  "locked_until" timestamptz,
  primary key (tenant_id, id)
);

create table crm."security_event" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "type" text collate "C",
  "user_id" uuid,
  "target" jsonb,
  "status" text collate "C",
  "finished_at" timestamptz,
  "failure" text collate "C",
  "done" bigint,
  "held_back" jsonb,
  "held_back_count" bigint,
  "progress" jsonb,
  "trial" jsonb,
  "product" jsonb,
  "taken_until" timestamptz,
  primary key (tenant_id, id)
);

create table crm."scoring_model" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "key" text collate "C",
  "name" text collate "C",
  "name_key" text collate "C",
  "description" text collate "C",
  "kind" text collate "C",
  "definition" jsonb,
  "is_active" boolean,
  primary key (tenant_id, id)
);

create table crm."rescoring" (
  tenant_id uuid not null,
  id uuid not null,
  version bigint not null,
  machine_version bigint not null,
  feed_xid xid8 not null default pg_current_xact_id(),
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
  "of" text collate "C",
  "due_at" timestamptz,
  "reached" jsonb,
  "over_at" timestamptz,
  primary key (tenant_id, id)
);

-- References. Deferred where a commit may insert the one before the other.
alter table crm."organization" add constraint "organization_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."organization" (tenant_id, id) deferrable initially deferred;
alter table crm."team" add constraint "team_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."team" (tenant_id, id) deferrable initially deferred;
alter table crm."team" add constraint "team_parent_id_fkey" foreign key (tenant_id, "parent_id") references crm."team" (tenant_id, id) deferrable initially deferred;
alter table crm."team" add constraint "team_manager_id_fkey" foreign key (tenant_id, "manager_id") references crm."user" (tenant_id, id);
alter table crm."role" add constraint "role_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."role" (tenant_id, id) deferrable initially deferred;
alter table crm."user" add constraint "user_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."user" (tenant_id, id) deferrable initially deferred;
alter table crm."user" add constraint "user_manager_id_fkey" foreign key (tenant_id, "manager_id") references crm."user" (tenant_id, id) deferrable initially deferred;
alter table crm."user_team_ids" add constraint "user_team_ids_target_id_fkey" foreign key (tenant_id, "target_id") references crm."team" (tenant_id, id);
alter table crm."user_role_ids" add constraint "user_role_ids_target_id_fkey" foreign key (tenant_id, "target_id") references crm."role" (tenant_id, id);
alter table crm."property" add constraint "property_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."property" (tenant_id, id) deferrable initially deferred;
alter table crm."pipeline" add constraint "pipeline_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."pipeline" (tenant_id, id) deferrable initially deferred;
alter table crm."rate" add constraint "rate_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."rate" (tenant_id, id) deferrable initially deferred;
alter table crm."company" add constraint "company_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."company" (tenant_id, id) deferrable initially deferred;
alter table crm."company" add constraint "company_parent_id_fkey" foreign key (tenant_id, "parent_id") references crm."company" (tenant_id, id) deferrable initially deferred;
alter table crm."company" add constraint "company_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."company" add constraint "company_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."company_shared_with" add constraint "company_shared_with_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."contact" add constraint "contact_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."contact" (tenant_id, id) deferrable initially deferred;
alter table crm."contact" add constraint "contact_company_id_fkey" foreign key (tenant_id, "company_id") references crm."company" (tenant_id, id);
alter table crm."contact" add constraint "contact_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."contact" add constraint "contact_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."contact_shared_with" add constraint "contact_shared_with_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."lead" add constraint "lead_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."lead" (tenant_id, id) deferrable initially deferred;
alter table crm."lead" add constraint "lead_pipeline_id_fkey" foreign key (tenant_id, "pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."lead" add constraint "lead_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."lead" add constraint "lead_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."lead" add constraint "lead_converted_company_id_fkey" foreign key (tenant_id, "converted_company_id") references crm."company" (tenant_id, id);
alter table crm."lead" add constraint "lead_converted_deal_id_fkey" foreign key (tenant_id, "converted_deal_id") references crm."deal" (tenant_id, id) deferrable initially deferred;
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."lead_shared_with" add constraint "lead_shared_with_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."deal" add constraint "deal_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."deal" (tenant_id, id) deferrable initially deferred;
alter table crm."deal" add constraint "deal_pipeline_id_fkey" foreign key (tenant_id, "pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."deal" add constraint "deal_company_id_fkey" foreign key (tenant_id, "company_id") references crm."company" (tenant_id, id);
alter table crm."deal" add constraint "deal_primary_contact_id_fkey" foreign key (tenant_id, "primary_contact_id") references crm."contact" (tenant_id, id);
alter table crm."deal" add constraint "deal_owner_id_fkey" foreign key (tenant_id, "owner_id") references crm."user" (tenant_id, id);
alter table crm."deal" add constraint "deal_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."deal" add constraint "deal_lead_id_fkey" foreign key (tenant_id, "lead_id") references crm."lead" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."deal_shared_with" add constraint "deal_shared_with_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."task" add constraint "task_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."task" (tenant_id, id) deferrable initially deferred;
alter table crm."task" add constraint "task_assignee_id_fkey" foreign key (tenant_id, "assignee_id") references crm."user" (tenant_id, id);
alter table crm."task" add constraint "task_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."task" add constraint "task_completed_by_fkey" foreign key (tenant_id, "completed_by") references crm."user" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."task_links" add constraint "task_links_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."interaction" add constraint "interaction_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."interaction" (tenant_id, id) deferrable initially deferred;
alter table crm."interaction" add constraint "interaction_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."interaction" add constraint "interaction_team_id_fkey" foreign key (tenant_id, "team_id") references crm."team" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."interaction_links" add constraint "interaction_links_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."note" add constraint "note_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."note" (tenant_id, id) deferrable initially deferred;
alter table crm."note" add constraint "note_author_id_fkey" foreign key (tenant_id, "author_id") references crm."user" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_organization_id_fkey" foreign key (tenant_id, "target_organization_id") references crm."organization" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_team_id_fkey" foreign key (tenant_id, "target_team_id") references crm."team" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_role_id_fkey" foreign key (tenant_id, "target_role_id") references crm."role" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_user_id_fkey" foreign key (tenant_id, "target_user_id") references crm."user" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_property_id_fkey" foreign key (tenant_id, "target_property_id") references crm."property" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_pipeline_id_fkey" foreign key (tenant_id, "target_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_rate_id_fkey" foreign key (tenant_id, "target_rate_id") references crm."rate" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_company_id_fkey" foreign key (tenant_id, "target_company_id") references crm."company" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_contact_id_fkey" foreign key (tenant_id, "target_contact_id") references crm."contact" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_lead_id_fkey" foreign key (tenant_id, "target_lead_id") references crm."lead" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_deal_id_fkey" foreign key (tenant_id, "target_deal_id") references crm."deal" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_task_id_fkey" foreign key (tenant_id, "target_task_id") references crm."task" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_interaction_id_fkey" foreign key (tenant_id, "target_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_note_id_fkey" foreign key (tenant_id, "target_note_id") references crm."note" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_association_id_fkey" foreign key (tenant_id, "target_association_id") references crm."association" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_credential_id_fkey" foreign key (tenant_id, "target_credential_id") references crm."credential" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_api_key_id_fkey" foreign key (tenant_id, "target_api_key_id") references crm."api_key" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_security_event_id_fkey" foreign key (tenant_id, "target_security_event_id") references crm."security_event" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_job_id_fkey" foreign key (tenant_id, "target_job_id") references crm."job" (tenant_id, id);
alter table crm."note_links" add constraint "note_links_target_scoring_model_id_fkey" foreign key (tenant_id, "target_scoring_model_id") references crm."scoring_model" (tenant_id, id);
alter table crm."association" add constraint "association_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."association" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_organization_id_fkey" foreign key (tenant_id, "from_organization_id") references crm."organization" (tenant_id, id);
alter table crm."association" add constraint "association_from_team_id_fkey" foreign key (tenant_id, "from_team_id") references crm."team" (tenant_id, id);
alter table crm."association" add constraint "association_from_role_id_fkey" foreign key (tenant_id, "from_role_id") references crm."role" (tenant_id, id);
alter table crm."association" add constraint "association_from_user_id_fkey" foreign key (tenant_id, "from_user_id") references crm."user" (tenant_id, id);
alter table crm."association" add constraint "association_from_property_id_fkey" foreign key (tenant_id, "from_property_id") references crm."property" (tenant_id, id);
alter table crm."association" add constraint "association_from_pipeline_id_fkey" foreign key (tenant_id, "from_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."association" add constraint "association_from_rate_id_fkey" foreign key (tenant_id, "from_rate_id") references crm."rate" (tenant_id, id);
alter table crm."association" add constraint "association_from_company_id_fkey" foreign key (tenant_id, "from_company_id") references crm."company" (tenant_id, id);
alter table crm."association" add constraint "association_from_contact_id_fkey" foreign key (tenant_id, "from_contact_id") references crm."contact" (tenant_id, id);
alter table crm."association" add constraint "association_from_lead_id_fkey" foreign key (tenant_id, "from_lead_id") references crm."lead" (tenant_id, id);
alter table crm."association" add constraint "association_from_deal_id_fkey" foreign key (tenant_id, "from_deal_id") references crm."deal" (tenant_id, id);
alter table crm."association" add constraint "association_from_task_id_fkey" foreign key (tenant_id, "from_task_id") references crm."task" (tenant_id, id);
alter table crm."association" add constraint "association_from_interaction_id_fkey" foreign key (tenant_id, "from_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."association" add constraint "association_from_note_id_fkey" foreign key (tenant_id, "from_note_id") references crm."note" (tenant_id, id);
alter table crm."association" add constraint "association_from_association_id_fkey" foreign key (tenant_id, "from_association_id") references crm."association" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_credential_id_fkey" foreign key (tenant_id, "from_credential_id") references crm."credential" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_api_key_id_fkey" foreign key (tenant_id, "from_api_key_id") references crm."api_key" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_security_event_id_fkey" foreign key (tenant_id, "from_security_event_id") references crm."security_event" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_job_id_fkey" foreign key (tenant_id, "from_job_id") references crm."job" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_from_scoring_model_id_fkey" foreign key (tenant_id, "from_scoring_model_id") references crm."scoring_model" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_organization_id_fkey" foreign key (tenant_id, "to_organization_id") references crm."organization" (tenant_id, id);
alter table crm."association" add constraint "association_to_team_id_fkey" foreign key (tenant_id, "to_team_id") references crm."team" (tenant_id, id);
alter table crm."association" add constraint "association_to_role_id_fkey" foreign key (tenant_id, "to_role_id") references crm."role" (tenant_id, id);
alter table crm."association" add constraint "association_to_user_id_fkey" foreign key (tenant_id, "to_user_id") references crm."user" (tenant_id, id);
alter table crm."association" add constraint "association_to_property_id_fkey" foreign key (tenant_id, "to_property_id") references crm."property" (tenant_id, id);
alter table crm."association" add constraint "association_to_pipeline_id_fkey" foreign key (tenant_id, "to_pipeline_id") references crm."pipeline" (tenant_id, id);
alter table crm."association" add constraint "association_to_rate_id_fkey" foreign key (tenant_id, "to_rate_id") references crm."rate" (tenant_id, id);
alter table crm."association" add constraint "association_to_company_id_fkey" foreign key (tenant_id, "to_company_id") references crm."company" (tenant_id, id);
alter table crm."association" add constraint "association_to_contact_id_fkey" foreign key (tenant_id, "to_contact_id") references crm."contact" (tenant_id, id);
alter table crm."association" add constraint "association_to_lead_id_fkey" foreign key (tenant_id, "to_lead_id") references crm."lead" (tenant_id, id);
alter table crm."association" add constraint "association_to_deal_id_fkey" foreign key (tenant_id, "to_deal_id") references crm."deal" (tenant_id, id);
alter table crm."association" add constraint "association_to_task_id_fkey" foreign key (tenant_id, "to_task_id") references crm."task" (tenant_id, id);
alter table crm."association" add constraint "association_to_interaction_id_fkey" foreign key (tenant_id, "to_interaction_id") references crm."interaction" (tenant_id, id);
alter table crm."association" add constraint "association_to_note_id_fkey" foreign key (tenant_id, "to_note_id") references crm."note" (tenant_id, id);
alter table crm."association" add constraint "association_to_association_id_fkey" foreign key (tenant_id, "to_association_id") references crm."association" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_credential_id_fkey" foreign key (tenant_id, "to_credential_id") references crm."credential" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_api_key_id_fkey" foreign key (tenant_id, "to_api_key_id") references crm."api_key" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_security_event_id_fkey" foreign key (tenant_id, "to_security_event_id") references crm."security_event" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_job_id_fkey" foreign key (tenant_id, "to_job_id") references crm."job" (tenant_id, id) deferrable initially deferred;
alter table crm."association" add constraint "association_to_scoring_model_id_fkey" foreign key (tenant_id, "to_scoring_model_id") references crm."scoring_model" (tenant_id, id) deferrable initially deferred;
alter table crm."credential" add constraint "credential_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."credential" (tenant_id, id) deferrable initially deferred;
alter table crm."credential" add constraint "credential_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."session" add constraint "session_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."api_key" add constraint "api_key_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."api_key" (tenant_id, id) deferrable initially deferred;
alter table crm."api_key" add constraint "api_key_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."security_event" add constraint "security_event_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."security_event" (tenant_id, id) deferrable initially deferred;
alter table crm."security_event" add constraint "security_event_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."job" add constraint "job_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."job" (tenant_id, id) deferrable initially deferred;
alter table crm."job" add constraint "job_user_id_fkey" foreign key (tenant_id, "user_id") references crm."user" (tenant_id, id);
alter table crm."scoring_model" add constraint "scoring_model_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."scoring_model" (tenant_id, id) deferrable initially deferred;

-- Declared indexes.
create index "organization_created_at" on crm."organization" (tenant_id, "created_at", id) where archived_at is null;
create index "organization_name_key" on crm."organization" (tenant_id, "name_key", id) where archived_at is null;
create index "organization_archived_created_at" on crm."organization" (tenant_id, "created_at", id) where archived_at is not null;
create index "organization_archived_at" on crm."organization" (tenant_id, "archived_at", id) where archived_at is not null;
create index "team_created_at" on crm."team" (tenant_id, "created_at", id) where archived_at is null;
create index "team_name_key" on crm."team" (tenant_id, "name_key", id) where archived_at is null;
create index "team_parent_id_name_key" on crm."team" (tenant_id, "parent_id", "name_key", id) where archived_at is null;
create index "team_archived_created_at" on crm."team" (tenant_id, "created_at", id) where archived_at is not null;
create index "team_archived_at" on crm."team" (tenant_id, "archived_at", id) where archived_at is not null;
create index "role_created_at" on crm."role" (tenant_id, "created_at", id) where archived_at is null;
create index "role_name_key" on crm."role" (tenant_id, "name_key", id) where archived_at is null;
create index "role_archived_created_at" on crm."role" (tenant_id, "created_at", id) where archived_at is not null;
create index "role_archived_at" on crm."role" (tenant_id, "archived_at", id) where archived_at is not null;
create index "user_created_at" on crm."user" (tenant_id, "created_at", id) where archived_at is null;
create index "user_name_key" on crm."user" (tenant_id, "name_key", id) where archived_at is null;
create index "user_manager_id_name_key" on crm."user" (tenant_id, "manager_id", "name_key", id) where archived_at is null;
create index "user_archived_created_at" on crm."user" (tenant_id, "created_at", id) where archived_at is not null;
create index "user_archived_at" on crm."user" (tenant_id, "archived_at", id) where archived_at is not null;
create index "property_created_at" on crm."property" (tenant_id, "created_at", id) where archived_at is null;
create index "property_kind_position" on crm."property" (tenant_id, "kind", "position", id) where archived_at is null;
create index "property_archived_created_at" on crm."property" (tenant_id, "created_at", id) where archived_at is not null;
create index "property_archived_at" on crm."property" (tenant_id, "archived_at", id) where archived_at is not null;
create index "pipeline_created_at" on crm."pipeline" (tenant_id, "created_at", id) where archived_at is null;
create index "pipeline_kind_position" on crm."pipeline" (tenant_id, "kind", "position", id) where archived_at is null;
create index "pipeline_archived_created_at" on crm."pipeline" (tenant_id, "created_at", id) where archived_at is not null;
create index "pipeline_archived_at" on crm."pipeline" (tenant_id, "archived_at", id) where archived_at is not null;
create index "rate_created_at" on crm."rate" (tenant_id, "created_at", id) where archived_at is null;
create index "rate_currency_day" on crm."rate" (tenant_id, "currency", "day", id) where archived_at is null;
create index "rate_archived_created_at" on crm."rate" (tenant_id, "created_at", id) where archived_at is not null;
create index "rate_archived_at" on crm."rate" (tenant_id, "archived_at", id) where archived_at is not null;
create index "company_created_at" on crm."company" (tenant_id, "created_at", id) where archived_at is null;
create index "company_name_key" on crm."company" (tenant_id, "name_key", id) where archived_at is null;
create index "company_owner_id_name_key" on crm."company" (tenant_id, "owner_id", "name_key", id) where archived_at is null;
create index "company_parent_id_name_key" on crm."company" (tenant_id, "parent_id", "name_key", id) where archived_at is null;
create index "company_team_id_name_key" on crm."company" (tenant_id, "team_id", "name_key", id) where archived_at is null;
create index "company_lifecycle_name_key" on crm."company" (tenant_id, "lifecycle", "name_key", id) where archived_at is null;
create index "company_archived_created_at" on crm."company" (tenant_id, "created_at", id) where archived_at is not null;
create index "company_archived_at" on crm."company" (tenant_id, "archived_at", id) where archived_at is not null;
create index "contact_created_at" on crm."contact" (tenant_id, "created_at", id) where archived_at is null;
create index "contact_owner_id_created_at" on crm."contact" (tenant_id, "owner_id", "created_at", id) where archived_at is null;
create index "contact_company_id_name_key" on crm."contact" (tenant_id, "company_id", "name_key", id) where archived_at is null;
create index "contact_team_id_created_at" on crm."contact" (tenant_id, "team_id", "created_at", id) where archived_at is null;
create index "contact_lifecycle_created_at" on crm."contact" (tenant_id, "lifecycle", "created_at", id) where archived_at is null;
create index "contact_name_key" on crm."contact" (tenant_id, "name_key", id) where archived_at is null;
create index "contact_archived_created_at" on crm."contact" (tenant_id, "created_at", id) where archived_at is not null;
create index "contact_archived_at" on crm."contact" (tenant_id, "archived_at", id) where archived_at is not null;
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
create index "deal_created_at" on crm."deal" (tenant_id, "created_at", id) where archived_at is null;
create index "deal_stage_id_close_date" on crm."deal" (tenant_id, "stage_id", "close_date", id) where archived_at is null;
create index "deal_owner_id_stage_kind_close_date" on crm."deal" (tenant_id, "owner_id", "stage_kind", "close_date", id) where archived_at is null;
create index "deal_stage_kind_close_date" on crm."deal" (tenant_id, "stage_kind", "close_date", id) where archived_at is null;
create index "deal_company_id_created_at" on crm."deal" (tenant_id, "company_id", "created_at", id) where archived_at is null;
create index "deal_team_id_stage_kind_close_date" on crm."deal" (tenant_id, "team_id", "stage_kind", "close_date", id) where archived_at is null;
create index "deal_primary_contact_id_created_at" on crm."deal" (tenant_id, "primary_contact_id", "created_at", id) where archived_at is null;
create index "deal_archived_created_at" on crm."deal" (tenant_id, "created_at", id) where archived_at is not null;
create index "deal_archived_at" on crm."deal" (tenant_id, "archived_at", id) where archived_at is not null;
create index "task_created_at" on crm."task" (tenant_id, "created_at", id) where archived_at is null;
create index "task_assignee_id_is_open_due_at" on crm."task" (tenant_id, "assignee_id", "is_open", "due_at", id) where archived_at is null;
create index "task_team_id_is_open_due_at" on crm."task" (tenant_id, "team_id", "is_open", "due_at", id) where archived_at is null;
create index "task_is_open_due_at" on crm."task" (tenant_id, "is_open", "due_at", id) where archived_at is null;
create index "task_assignee_id_completed_at" on crm."task" (tenant_id, "assignee_id", "completed_at", id) where archived_at is null;
create index "task_archived_created_at" on crm."task" (tenant_id, "created_at", id) where archived_at is not null;
create index "task_archived_at" on crm."task" (tenant_id, "archived_at", id) where archived_at is not null;
create index "interaction_created_at" on crm."interaction" (tenant_id, "created_at", id) where archived_at is null;
create index "interaction_user_id_happens_at" on crm."interaction" (tenant_id, "user_id", "happens_at", id) where archived_at is null;
create index "interaction_user_id_is_open_scheduled_at" on crm."interaction" (tenant_id, "user_id", "is_open", "scheduled_at", id) where archived_at is null;
create index "interaction_team_id_happens_at" on crm."interaction" (tenant_id, "team_id", "happens_at", id) where archived_at is null;
create index "interaction_type_happens_at" on crm."interaction" (tenant_id, "type", "happens_at", id) where archived_at is null;
create index "interaction_archived_created_at" on crm."interaction" (tenant_id, "created_at", id) where archived_at is not null;
create index "interaction_archived_at" on crm."interaction" (tenant_id, "archived_at", id) where archived_at is not null;
create index "note_created_at" on crm."note" (tenant_id, "created_at", id) where archived_at is null;
create index "note_author_id_created_at" on crm."note" (tenant_id, "author_id", "created_at", id) where archived_at is null;
create index "note_archived_created_at" on crm."note" (tenant_id, "created_at", id) where archived_at is not null;
create index "note_archived_at" on crm."note" (tenant_id, "archived_at", id) where archived_at is not null;
create index "association_created_at" on crm."association" (tenant_id, "created_at", id) where archived_at is null;
create index "association_from_kind_from_id_label_key" on crm."association" (tenant_id, "from_kind", "from_id", "label_key", id) where archived_at is null;
create index "association_to_kind_to_id_label_key" on crm."association" (tenant_id, "to_kind", "to_id", "label_key", id) where archived_at is null;
create index "association_archived_created_at" on crm."association" (tenant_id, "created_at", id) where archived_at is not null;
create index "association_archived_at" on crm."association" (tenant_id, "archived_at", id) where archived_at is not null;
create index "credential_created_at" on crm."credential" (tenant_id, "created_at", id) where archived_at is null;
create index "credential_archived_created_at" on crm."credential" (tenant_id, "created_at", id) where archived_at is not null;
create index "credential_archived_at" on crm."credential" (tenant_id, "archived_at", id) where archived_at is not null;
create index "session_expires_at" on crm."session" ("expires_at");
create index "session_created_at" on crm."session" (tenant_id, "created_at", id) where archived_at is null;
create index "session_user_id_created_at" on crm."session" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "session_archived_created_at" on crm."session" (tenant_id, "created_at", id) where archived_at is not null;
create index "session_archived_at" on crm."session" (tenant_id, "archived_at", id) where archived_at is not null;
create index "api_key_created_at" on crm."api_key" (tenant_id, "created_at", id) where archived_at is null;
create index "api_key_name_key" on crm."api_key" (tenant_id, "name_key", id) where archived_at is null;
create index "api_key_user_id_name_key" on crm."api_key" (tenant_id, "user_id", "name_key", id) where archived_at is null;
create index "api_key_archived_created_at" on crm."api_key" (tenant_id, "created_at", id) where archived_at is not null;
create index "api_key_archived_at" on crm."api_key" (tenant_id, "archived_at", id) where archived_at is not null;
create index "throttle_expires_at" on crm."throttle" ("expires_at");
create index "throttle_created_at" on crm."throttle" (tenant_id, "created_at", id) where archived_at is null;
create index "throttle_archived_created_at" on crm."throttle" (tenant_id, "created_at", id) where archived_at is not null;
create index "throttle_archived_at" on crm."throttle" (tenant_id, "archived_at", id) where archived_at is not null;
create index "security_event_created_at" on crm."security_event" (tenant_id, "created_at", id) where archived_at is null;
create index "security_event_user_id_created_at" on crm."security_event" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "security_event_event_created_at" on crm."security_event" (tenant_id, "event", "created_at", id) where archived_at is null;
create index "security_event_archived_created_at" on crm."security_event" (tenant_id, "created_at", id) where archived_at is not null;
create index "security_event_archived_at" on crm."security_event" (tenant_id, "archived_at", id) where archived_at is not null;
create index "job_created_at" on crm."job" (tenant_id, "created_at", id) where archived_at is null;
create index "job_status_created_at" on crm."job" (tenant_id, "status", "created_at", id) where archived_at is null;
create index "job_user_id_created_at" on crm."job" (tenant_id, "user_id", "created_at", id) where archived_at is null;
create index "job_archived_created_at" on crm."job" (tenant_id, "created_at", id) where archived_at is not null;
create index "job_archived_at" on crm."job" (tenant_id, "archived_at", id) where archived_at is not null;
create index "scoring_model_created_at" on crm."scoring_model" (tenant_id, "created_at", id) where archived_at is null;
create index "scoring_model_kind_name_key" on crm."scoring_model" (tenant_id, "kind", "name_key", id) where archived_at is null;
create index "scoring_model_archived_created_at" on crm."scoring_model" (tenant_id, "created_at", id) where archived_at is not null;
create index "scoring_model_archived_at" on crm."scoring_model" (tenant_id, "archived_at", id) where archived_at is not null;
create index "rescoring_over_at" on crm."rescoring" ("over_at");
create index "rescoring_created_at" on crm."rescoring" (tenant_id, "created_at", id) where archived_at is null;
create index "rescoring_due_at" on crm."rescoring" (tenant_id, "due_at", id) where archived_at is null;
create index "rescoring_archived_created_at" on crm."rescoring" (tenant_id, "created_at", id) where archived_at is not null;
create index "rescoring_archived_at" on crm."rescoring" (tenant_id, "archived_at", id) where archived_at is not null;

-- What a commit calls for each kind it touches.

create function crm.write_organization_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."organization" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "name_key", "slug", "base_currency", "time_zone", "locale", "default_country", "fiscal_year_start_month", "week_start", "status", "branding", "interaction_types", "allow_shared_emails", "admin_ids", "seal_key")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."name_key", r."slug", r."base_currency", r."time_zone", r."locale", r."default_country", r."fiscal_year_start_month", r."week_start", r."status", r."branding", r."interaction_types", r."allow_shared_emails", r."admin_ids", r."seal_key"
    from jsonb_populate_record(null::crm."organization", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."organization" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "name_key" = r."name_key", "slug" = r."slug", "base_currency" = r."base_currency", "time_zone" = r."time_zone", "locale" = r."locale", "default_country" = r."default_country", "fiscal_year_start_month" = r."fiscal_year_start_month", "week_start" = r."week_start", "status" = r."status", "branding" = r."branding", "interaction_types" = r."interaction_types", "allow_shared_emails" = r."allow_shared_emails", "admin_ids" = r."admin_ids", "seal_key" = r."seal_key"
    from crm."organization" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."organization" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."organization" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_team_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."team" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "name_key", "parent_id", "manager_id", "description")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."name_key", r."parent_id", r."manager_id", r."description"
    from jsonb_populate_record(null::crm."team", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."team" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "name_key" = r."name_key", "parent_id" = r."parent_id", "manager_id" = r."manager_id", "description" = r."description"
    from crm."team" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."team" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."team" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_role_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."role" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "key", "name", "name_key", "description", "inherits", "grants", "field_rules", "is_builtin")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."key", r."name", r."name_key", r."description", r."inherits", r."grants", r."field_rules", r."is_builtin"
    from jsonb_populate_record(null::crm."role", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."role" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "key" = r."key", "name" = r."name", "name_key" = r."name_key", "description" = r."description", "inherits" = r."inherits", "grants" = r."grants", "field_rules" = r."field_rules", "is_builtin" = r."is_builtin"
    from crm."role" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."role" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."role" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_user_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."user" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "first_name", "last_name", "email", "role_ids", "team_ids", "manager_id", "department", "job_title", "phone", "time_zone", "locale", "is_active", "name", "name_key", "deactivated_at", "last_login_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."first_name", r."last_name", r."email", r."role_ids", r."team_ids", r."manager_id", r."department", r."job_title", r."phone", r."time_zone", r."locale", r."is_active", r."name", r."name_key", r."deactivated_at", r."last_login_at"
    from jsonb_populate_record(null::crm."user", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."user" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "first_name" = r."first_name", "last_name" = r."last_name", "email" = r."email", "role_ids" = r."role_ids", "team_ids" = r."team_ids", "manager_id" = r."manager_id", "department" = r."department", "job_title" = r."job_title", "phone" = r."phone", "time_zone" = r."time_zone", "locale" = r."locale", "is_active" = r."is_active", "name" = r."name", "name_key" = r."name_key", "deactivated_at" = r."deactivated_at"
    from crm."user" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."user" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "last_login_at" = r."last_login_at"
    from crm."user" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_user_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."user_team_ids" where tenant_id = p_tenant and id = p_id;
  insert into crm."user_team_ids" (tenant_id, id, target_id, sort)
  select t.tenant_id, t.id, e, t."name_key" from crm."user" t, unnest(t."team_ids") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  delete from crm."user_role_ids" where tenant_id = p_tenant and id = p_id;
  insert into crm."user_role_ids" (tenant_id, id, target_id, sort)
  select t.tenant_id, t.id, e, t."name_key" from crm."user" t, unnest(t."role_ids") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_property_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."property" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "kind", "key", "name", "description", "type", "required", "unique", "reportable", "personal", "options", "rules", "position")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."kind", r."key", r."name", r."description", r."type", r."required", r."unique", r."reportable", r."personal", r."options", r."rules", r."position"
    from jsonb_populate_record(null::crm."property", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."property" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "kind" = r."kind", "key" = r."key", "name" = r."name", "description" = r."description", "type" = r."type", "required" = r."required", "unique" = r."unique", "reportable" = r."reportable", "personal" = r."personal", "options" = r."options", "rules" = r."rules", "position" = r."position"
    from crm."property" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."property" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."property" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_pipeline_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."pipeline" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "kind", "is_default", "position", "stages")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."kind", r."is_default", r."position", r."stages"
    from jsonb_populate_record(null::crm."pipeline", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."pipeline" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "kind" = r."kind", "is_default" = r."is_default", "position" = r."position", "stages" = r."stages"
    from crm."pipeline" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."pipeline" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."pipeline" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_rate_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."rate" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "currency", "day", "rate", "source")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."currency", r."day", r."rate", r."source"
    from jsonb_populate_record(null::crm."rate", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."rate" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "currency" = r."currency", "day" = r."day", "rate" = r."rate", "source" = r."source"
    from crm."rate" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."rate" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."rate" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_company_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."company" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "name_key", "domain", "website", "phone", "email", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "founded_year", "addresses", "social", "lifecycle", "parent_id", "source", "description", "tax_id", "owner_id", "team_id", "tags", "size", "name_claim", "stem_claim", "score", "lifetime_value")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."name_key", r."domain", r."website", r."phone", r."email", r."industry", r."employee_count", r."annual_revenue", r."annual_revenue_currency", r."founded_year", r."addresses", r."social", r."lifecycle", r."parent_id", r."source", r."description", r."tax_id", r."owner_id", r."team_id", r."tags", r."size", r."name_claim", r."stem_claim", r."score", r."lifetime_value"
    from jsonb_populate_record(null::crm."company", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."company" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "name_key" = r."name_key", "domain" = r."domain", "website" = r."website", "phone" = r."phone", "email" = r."email", "industry" = r."industry", "employee_count" = r."employee_count", "annual_revenue" = r."annual_revenue", "annual_revenue_currency" = r."annual_revenue_currency", "founded_year" = r."founded_year", "addresses" = r."addresses", "social" = r."social", "lifecycle" = r."lifecycle", "parent_id" = r."parent_id", "source" = r."source", "description" = r."description", "tax_id" = r."tax_id", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "size" = r."size", "name_claim" = r."name_claim", "stem_claim" = r."stem_claim"
    from crm."company" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."company" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "score" = r."score", "lifetime_value" = r."lifetime_value"
    from crm."company" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_company_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."company_shared_with" where tenant_id = p_tenant and id = p_id;
  insert into crm."company_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."name_key" from crm."company" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_contact_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."contact" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "first_name", "last_name", "name", "name_key", "salutation", "emails", "phones", "addresses", "social", "company_id", "job_title", "department", "lifecycle", "source", "description", "time_zone", "language", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "email", "phone", "score", "lifetime_value")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."first_name", r."last_name", r."name", r."name_key", r."salutation", r."emails", r."phones", r."addresses", r."social", r."company_id", r."job_title", r."department", r."lifecycle", r."source", r."description", r."time_zone", r."language", r."do_not_email", r."do_not_call", r."owner_id", r."team_id", r."tags", r."email", r."phone", r."score", r."lifetime_value"
    from jsonb_populate_record(null::crm."contact", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."contact" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "first_name" = r."first_name", "last_name" = r."last_name", "name" = r."name", "name_key" = r."name_key", "salutation" = r."salutation", "emails" = r."emails", "phones" = r."phones", "addresses" = r."addresses", "social" = r."social", "company_id" = r."company_id", "job_title" = r."job_title", "department" = r."department", "lifecycle" = r."lifecycle", "source" = r."source", "description" = r."description", "time_zone" = r."time_zone", "language" = r."language", "do_not_email" = r."do_not_email", "do_not_call" = r."do_not_call", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "email" = r."email", "phone" = r."phone"
    from crm."contact" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."contact" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "score" = r."score", "lifetime_value" = r."lifetime_value"
    from crm."contact" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_contact_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."contact_shared_with" where tenant_id = p_tenant and id = p_id;
  insert into crm."contact_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."created_at" from crm."contact" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_lead_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."lead" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "first_name", "last_name", "email", "phone", "mobile_phone", "company_name", "job_title", "website", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "address", "source", "source_detail", "pipeline_id", "stage_id", "unqualified_reason", "description", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "converted_at", "converted_contact_ids", "converted_company_id", "converted_contact_by", "converted_company_by", "converted_deal_id", "status", "stage_kind", "stage_entered_at", "score", "grade", "is_hot", "model_version", "scored_at", "last_activity_at", "next_task_due_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."first_name", r."last_name", r."email", r."phone", r."mobile_phone", r."company_name", r."job_title", r."website", r."industry", r."employee_count", r."annual_revenue", r."annual_revenue_currency", r."address", r."source", r."source_detail", r."pipeline_id", r."stage_id", r."unqualified_reason", r."description", r."do_not_email", r."do_not_call", r."owner_id", r."team_id", r."tags", r."converted_at", r."converted_contact_ids", r."converted_company_id", r."converted_contact_by", r."converted_company_by", r."converted_deal_id", r."status", r."stage_kind", r."stage_entered_at", r."score", r."grade", r."is_hot", r."model_version", r."scored_at", r."last_activity_at", r."next_task_due_at"
    from jsonb_populate_record(null::crm."lead", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."lead" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "first_name" = r."first_name", "last_name" = r."last_name", "email" = r."email", "phone" = r."phone", "mobile_phone" = r."mobile_phone", "company_name" = r."company_name", "job_title" = r."job_title", "website" = r."website", "industry" = r."industry", "employee_count" = r."employee_count", "annual_revenue" = r."annual_revenue", "annual_revenue_currency" = r."annual_revenue_currency", "address" = r."address", "source" = r."source", "source_detail" = r."source_detail", "pipeline_id" = r."pipeline_id", "stage_id" = r."stage_id", "unqualified_reason" = r."unqualified_reason", "description" = r."description", "do_not_email" = r."do_not_email", "do_not_call" = r."do_not_call", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "converted_at" = r."converted_at", "converted_contact_ids" = r."converted_contact_ids", "converted_company_id" = r."converted_company_id", "converted_contact_by" = r."converted_contact_by", "converted_company_by" = r."converted_company_by", "converted_deal_id" = r."converted_deal_id", "status" = r."status", "stage_kind" = r."stage_kind", "stage_entered_at" = r."stage_entered_at"
    from crm."lead" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."lead" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "score" = r."score", "grade" = r."grade", "is_hot" = r."is_hot", "model_version" = r."model_version", "scored_at" = r."scored_at", "last_activity_at" = r."last_activity_at", "next_task_due_at" = r."next_task_due_at"
    from crm."lead" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_lead_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."lead_shared_with" where tenant_id = p_tenant and id = p_id;
  insert into crm."lead_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."created_at" from crm."lead" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_deal_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."deal" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "title", "description", "value", "value_currency", "pipeline_id", "stage_id", "probability", "expected_close_date", "actual_close_date", "close_reason", "close_note", "company_id", "primary_contact_id", "type", "forecast_category", "source", "next_step", "owner_id", "team_id", "tags", "lead_id", "status", "stage_kind", "stage_entered_at", "weighted_value", "weighted_value_currency", "close_date", "score", "grade", "is_hot", "model_version", "scored_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."title", r."description", r."value", r."value_currency", r."pipeline_id", r."stage_id", r."probability", r."expected_close_date", r."actual_close_date", r."close_reason", r."close_note", r."company_id", r."primary_contact_id", r."type", r."forecast_category", r."source", r."next_step", r."owner_id", r."team_id", r."tags", r."lead_id", r."status", r."stage_kind", r."stage_entered_at", r."weighted_value", r."weighted_value_currency", r."close_date", r."score", r."grade", r."is_hot", r."model_version", r."scored_at"
    from jsonb_populate_record(null::crm."deal", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."deal" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "title" = r."title", "description" = r."description", "value" = r."value", "value_currency" = r."value_currency", "pipeline_id" = r."pipeline_id", "stage_id" = r."stage_id", "probability" = r."probability", "expected_close_date" = r."expected_close_date", "actual_close_date" = r."actual_close_date", "close_reason" = r."close_reason", "close_note" = r."close_note", "company_id" = r."company_id", "primary_contact_id" = r."primary_contact_id", "type" = r."type", "forecast_category" = r."forecast_category", "source" = r."source", "next_step" = r."next_step", "owner_id" = r."owner_id", "team_id" = r."team_id", "tags" = r."tags", "lead_id" = r."lead_id", "status" = r."status", "stage_kind" = r."stage_kind", "stage_entered_at" = r."stage_entered_at", "weighted_value" = r."weighted_value", "weighted_value_currency" = r."weighted_value_currency", "close_date" = r."close_date"
    from crm."deal" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."deal" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "score" = r."score", "grade" = r."grade", "is_hot" = r."is_hot", "model_version" = r."model_version", "scored_at" = r."scored_at"
    from crm."deal" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_deal_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."deal_shared_with" where tenant_id = p_tenant and id = p_id;
  insert into crm."deal_shared_with" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."created_at" from crm."deal" t, unnest(t."shared_with") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_task_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."task" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "title", "description", "type", "category", "priority", "status", "due_at", "start_at", "assignee_id", "team_id", "links", "checklist", "reminders", "outcome", "is_open", "completed_at", "completed_by")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."title", r."description", r."type", r."category", r."priority", r."status", r."due_at", r."start_at", r."assignee_id", r."team_id", r."links", r."checklist", r."reminders", r."outcome", r."is_open", r."completed_at", r."completed_by"
    from jsonb_populate_record(null::crm."task", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."task" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "title" = r."title", "description" = r."description", "type" = r."type", "category" = r."category", "priority" = r."priority", "status" = r."status", "due_at" = r."due_at", "start_at" = r."start_at", "assignee_id" = r."assignee_id", "team_id" = r."team_id", "links" = r."links", "checklist" = r."checklist", "reminders" = r."reminders", "outcome" = r."outcome", "is_open" = r."is_open", "completed_at" = r."completed_at", "completed_by" = r."completed_by"
    from crm."task" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."task" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."task" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_task_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."task_links" where tenant_id = p_tenant and id = p_id;
  insert into crm."task_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."due_at" from crm."task" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_interaction_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."interaction" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "type", "direction", "subject", "content", "scheduled_at", "completed_at", "duration_seconds", "outcome", "location", "recording_url", "user_id", "team_id", "participants", "links", "happens_at", "is_open")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."type", r."direction", r."subject", r."content", r."scheduled_at", r."completed_at", r."duration_seconds", r."outcome", r."location", r."recording_url", r."user_id", r."team_id", r."participants", r."links", r."happens_at", r."is_open"
    from jsonb_populate_record(null::crm."interaction", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."interaction" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "type" = r."type", "direction" = r."direction", "subject" = r."subject", "content" = r."content", "scheduled_at" = r."scheduled_at", "completed_at" = r."completed_at", "duration_seconds" = r."duration_seconds", "outcome" = r."outcome", "location" = r."location", "recording_url" = r."recording_url", "user_id" = r."user_id", "team_id" = r."team_id", "participants" = r."participants", "links" = r."links", "happens_at" = r."happens_at", "is_open" = r."is_open"
    from crm."interaction" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."interaction" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."interaction" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_interaction_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."interaction_links" where tenant_id = p_tenant and id = p_id;
  insert into crm."interaction_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."happens_at" from crm."interaction" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_note_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."note" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "title", "content", "is_private", "is_pinned", "links", "author_id")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."title", r."content", r."is_private", r."is_pinned", r."links", r."author_id"
    from jsonb_populate_record(null::crm."note", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."note" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "title" = r."title", "content" = r."content", "is_private" = r."is_private", "is_pinned" = r."is_pinned", "links" = r."links", "author_id" = r."author_id"
    from crm."note" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."note" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."note" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.enter_note_v1(p_tenant uuid, p_id uuid) returns boolean language plpgsql as $$
begin
  delete from crm."note_links" where tenant_id = p_tenant and id = p_id;
  insert into crm."note_links" (tenant_id, id, target_kind, target_id, sort)
  select t.tenant_id, t.id, split_part(e, ':', 1)::crm.kind, split_part(e, ':', 2)::uuid, t."created_at" from crm."note" t, unnest(t."links") e
  where t.tenant_id = p_tenant and t.id = p_id and t.archived_at is null
  on conflict do nothing;
  return true;
end $$;

create function crm.write_association_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."association" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "from_kind", "from_id", "to_kind", "to_id", "label", "label_key", "role", "is_primary", "started_on", "ended_on")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."from_kind", r."from_id", r."to_kind", r."to_id", r."label", r."label_key", r."role", r."is_primary", r."started_on", r."ended_on"
    from jsonb_populate_record(null::crm."association", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."association" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "from_kind" = r."from_kind", "from_id" = r."from_id", "to_kind" = r."to_kind", "to_id" = r."to_id", "label" = r."label", "label_key" = r."label_key", "role" = r."role", "is_primary" = r."is_primary", "started_on" = r."started_on", "ended_on" = r."ended_on"
    from crm."association" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."association" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."association" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_credential_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."credential" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "user_id", "password_hash", "password_set_at", "totp_secret", "totp_since", "recovery_codes", "ticket_hash", "ticket_purpose", "ticket_expires_at", "session_generation", "totp_step")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."user_id", r."password_hash", r."password_set_at", r."totp_secret", r."totp_since", r."recovery_codes", r."ticket_hash", r."ticket_purpose", r."ticket_expires_at", r."session_generation", r."totp_step"
    from jsonb_populate_record(null::crm."credential", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."credential" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "user_id" = r."user_id", "password_hash" = r."password_hash", "password_set_at" = r."password_set_at", "totp_secret" = r."totp_secret", "totp_since" = r."totp_since", "recovery_codes" = r."recovery_codes", "ticket_hash" = r."ticket_hash", "ticket_purpose" = r."ticket_purpose", "ticket_expires_at" = r."ticket_expires_at", "session_generation" = r."session_generation"
    from crm."credential" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."credential" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "totp_step" = r."totp_step"
    from crm."credential" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_session_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."session" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "user_id", "address", "user_agent", "second_factor", "generation", "expires_at", "token_hash", "previous_hash", "rotated_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."user_id", r."address", r."user_agent", r."second_factor", r."generation", r."expires_at", r."token_hash", r."previous_hash", r."rotated_at"
    from jsonb_populate_record(null::crm."session", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."session" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "user_id" = r."user_id", "address" = r."address", "user_agent" = r."user_agent", "second_factor" = r."second_factor", "generation" = r."generation", "expires_at" = r."expires_at"
    from crm."session" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."session" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "token_hash" = r."token_hash", "previous_hash" = r."previous_hash", "rotated_at" = r."rotated_at"
    from crm."session" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_api_key_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."api_key" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "name", "name_key", "user_id", "permissions", "prefix", "secret_hash", "previous_hash", "previous_until", "expires_at", "last_used_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."name", r."name_key", r."user_id", r."permissions", r."prefix", r."secret_hash", r."previous_hash", r."previous_until", r."expires_at", r."last_used_at"
    from jsonb_populate_record(null::crm."api_key", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."api_key" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "name" = r."name", "name_key" = r."name_key", "user_id" = r."user_id", "permissions" = r."permissions", "prefix" = r."prefix", "secret_hash" = r."secret_hash", "previous_hash" = r."previous_hash", "previous_until" = r."previous_until", "expires_at" = r."expires_at"
    from crm."api_key" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."api_key" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "last_used_at" = r."last_used_at"
    from crm."api_key" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_throttle_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."throttle" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "expires_at", "failures", "window_began_at", "locked_until")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."expires_at", r."failures", r."window_began_at", r."locked_until"
    from jsonb_populate_record(null::crm."throttle", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."throttle" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids"
    from crm."throttle" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."throttle" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "expires_at" = r."expires_at", "failures" = r."failures", "window_began_at" = r."window_began_at", "locked_until" = r."locked_until"
    from crm."throttle" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_security_event_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."security_event" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "event", "user_id", "address", "user_agent", "detail")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."event", r."user_id", r."address", r."user_agent", r."detail"
    from jsonb_populate_record(null::crm."security_event", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."security_event" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "event" = r."event", "user_id" = r."user_id", "address" = r."address", "user_agent" = r."user_agent", "detail" = r."detail"
    from crm."security_event" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."security_event" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."security_event" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_job_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."job" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "type", "user_id", "target", "status", "finished_at", "failure", "done", "held_back", "held_back_count", "progress", "trial", "product", "taken_until")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."type", r."user_id", r."target", r."status", r."finished_at", r."failure", r."done", r."held_back", r."held_back_count", r."progress", r."trial", r."product", r."taken_until"
    from jsonb_populate_record(null::crm."job", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."job" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "type" = r."type", "user_id" = r."user_id", "target" = r."target", "status" = r."status", "finished_at" = r."finished_at", "failure" = r."failure"
    from crm."job" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."job" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "done" = r."done", "held_back" = r."held_back", "held_back_count" = r."held_back_count", "progress" = r."progress", "trial" = r."trial", "product" = r."product", "taken_until" = r."taken_until"
    from crm."job" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_scoring_model_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."scoring_model" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "key", "name", "name_key", "description", "kind", "definition", "is_active")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."key", r."name", r."name_key", r."description", r."kind", r."definition", r."is_active"
    from jsonb_populate_record(null::crm."scoring_model", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."scoring_model" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "key" = r."key", "name" = r."name", "name_key" = r."name_key", "description" = r."description", "kind" = r."kind", "definition" = r."definition", "is_active" = r."is_active"
    from crm."scoring_model" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."scoring_model" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id())
    from crm."scoring_model" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.write_rescoring_v1(p_tenant uuid, p_id uuid, p_row jsonb, p_new boolean, p_person boolean, p_machine boolean)
returns boolean language plpgsql as $$
begin
  if p_new then
    insert into crm."rescoring" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "of", "due_at", "reached", "over_at")
    select p_tenant, p_id, r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."of", r."due_at", r."reached", r."over_at"
    from jsonb_populate_record(null::crm."rescoring", p_row) r
    on conflict (tenant_id, id) do nothing;
    return found;
  end if;
  if p_person then
    update crm."rescoring" t
    set version = r.version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids"
    from crm."rescoring" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  if p_machine then
    update crm."rescoring" t
    set machine_version = r.machine_version, feed_xid = greatest(t.feed_xid, pg_current_xact_id()), "of" = r."of", "due_at" = r."due_at", "reached" = r."reached", "over_at" = r."over_at"
    from crm."rescoring" o, jsonb_populate_record(o, p_row) r
    where o.tenant_id = p_tenant and o.id = p_id and t.tenant_id = p_tenant and t.id = p_id;
    if not found then return false; end if;
  end if;
  return true;
end $$;

create function crm.versions_v1(p_tenant uuid, p_kind text, p_id uuid) returns jsonb language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  case p_kind
    when 'organization' then
      select t.version, t.machine_version into v, m from crm."organization" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'team' then
      select t.version, t.machine_version into v, m from crm."team" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'role' then
      select t.version, t.machine_version into v, m from crm."role" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'user' then
      select t.version, t.machine_version into v, m from crm."user" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'property' then
      select t.version, t.machine_version into v, m from crm."property" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'pipeline' then
      select t.version, t.machine_version into v, m from crm."pipeline" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'rate' then
      select t.version, t.machine_version into v, m from crm."rate" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'company' then
      select t.version, t.machine_version into v, m from crm."company" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'contact' then
      select t.version, t.machine_version into v, m from crm."contact" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'lead' then
      select t.version, t.machine_version into v, m from crm."lead" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'deal' then
      select t.version, t.machine_version into v, m from crm."deal" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'task' then
      select t.version, t.machine_version into v, m from crm."task" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'interaction' then
      select t.version, t.machine_version into v, m from crm."interaction" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'note' then
      select t.version, t.machine_version into v, m from crm."note" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'association' then
      select t.version, t.machine_version into v, m from crm."association" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'credential' then
      select t.version, t.machine_version into v, m from crm."credential" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'session' then
      select t.version, t.machine_version into v, m from crm."session" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'api_key' then
      select t.version, t.machine_version into v, m from crm."api_key" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'throttle' then
      select t.version, t.machine_version into v, m from crm."throttle" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'security_event' then
      select t.version, t.machine_version into v, m from crm."security_event" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'job' then
      select t.version, t.machine_version into v, m from crm."job" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'scoring_model' then
      select t.version, t.machine_version into v, m from crm."scoring_model" t where t.tenant_id = p_tenant and t.id = p_id;
    when 'rescoring' then
      select t.version, t.machine_version into v, m from crm."rescoring" t where t.tenant_id = p_tenant and t.id = p_id;
  end case;
  if v is null then return null; end if;
  return jsonb_build_object('person', v, 'machine', m);
end $$;

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
      when 'organization' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."organization" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."organization" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'team' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."team" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."team" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'role' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."role" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."role" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'user' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."user" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."user" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'property' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."property" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."property" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'pipeline' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."pipeline" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."pipeline" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'rate' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."rate" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."rate" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'company' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."company" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."company" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'contact' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."contact" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."contact" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'lead' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."lead" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."lead" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'deal' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."deal" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."deal" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'task' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."task" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."task" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'interaction' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."interaction" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."interaction" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'note' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."note" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."note" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'association' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."association" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."association" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'credential' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."credential" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."credential" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'session' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."session" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."session" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'api_key' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."api_key" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."api_key" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'throttle' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."throttle" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."throttle" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'security_event' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."security_event" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."security_event" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'job' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."job" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."job" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'scoring_model' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."scoring_model" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."scoring_model" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
      when 'rescoring' then
        if p_modes[i] = 'guard' then
          select t.version, t.machine_version into v, m from crm."rescoring" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
        else
          select t.version, t.machine_version, t.feed_xid into v, m, f from crm."rescoring" t
          where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
        end if;
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
        when 'user' then done := crm.write_user_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'organization' then done := crm.write_organization_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'team' then done := crm.write_team_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'role' then done := crm.write_role_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'property' then done := crm.write_property_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'pipeline' then done := crm.write_pipeline_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'rate' then done := crm.write_rate_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'company' then done := crm.write_company_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'contact' then done := crm.write_contact_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'lead' then done := crm.write_lead_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'deal' then done := crm.write_deal_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'task' then done := crm.write_task_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'interaction' then done := crm.write_interaction_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'note' then done := crm.write_note_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'association' then done := crm.write_association_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'credential' then done := crm.write_credential_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'session' then done := crm.write_session_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'api_key' then done := crm.write_api_key_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'throttle' then done := crm.write_throttle_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'security_event' then done := crm.write_security_event_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'job' then done := crm.write_job_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'scoring_model' then done := crm.write_scoring_model_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
        when 'rescoring' then done := crm.write_rescoring_v1(p_tenant, p_ids[i], p_rows[i]::jsonb, p_modes[i] = 'new', p_persons[i] is not null, p_machines[i] is not null);
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
        when 'user' then done := crm.enter_user_v1(p_tenant, p_ids[i]);
        when 'company' then done := crm.enter_company_v1(p_tenant, p_ids[i]);
        when 'contact' then done := crm.enter_contact_v1(p_tenant, p_ids[i]);
        when 'lead' then done := crm.enter_lead_v1(p_tenant, p_ids[i]);
        when 'deal' then done := crm.enter_deal_v1(p_tenant, p_ids[i]);
        when 'task' then done := crm.enter_task_v1(p_tenant, p_ids[i]);
        when 'interaction' then done := crm.enter_interaction_v1(p_tenant, p_ids[i]);
        when 'note' then done := crm.enter_note_v1(p_tenant, p_ids[i]);
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

-- To be called once after a restore from a dump into another cluster, whose transaction ids are lower: else the feed
-- would wait until they have caught up. Consumers begin anew. seq alone is in version order within a record.
create function crm.rebase_feed() returns void language plpgsql as $$
begin
  update crm.change set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."organization" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."team" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."role" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."user" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."property" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."pipeline" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."rate" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."company" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."contact" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."lead" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."deal" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."task" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."interaction" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."note" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."association" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."credential" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."session" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."api_key" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."throttle" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."security_event" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."job" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."scoring_model" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  update crm."rescoring" set feed_xid = pg_current_xact_id() where feed_xid > pg_current_xact_id();
  delete from crm.feed_cursor;
end $$;

-- A stored value without the tag of its type: {"q": "10.5"} is "10.5", {"l": [{"t": "a"}]} is ["a"].
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

-- The contract with the embedder's own SQL: a view for each kind and two for the log. Columns are only ever added.

create view crm.changes as
select tenant_id, kind::text as kind, record_id, case field_group when 0 then 'person' else 'machine' end as field_group,
  version, commit_id, recorded_at, occurred_at, changed_by, action, origin, stage_move
from crm.change;

create view crm.field_changes as
select c.tenant_id, c.kind::text as kind, c.record_id, c.version, c.commit_id, c.recorded_at, c.occurred_at,
  c.changed_by, c.action, f ->> 'field' as field, crm.untag(f -> 'old') as old, crm.untag(f -> 'new') as new
from crm.change c, jsonb_array_elements(c.fields) f;

-- How far the feed is behind: the changes that an open transaction holds back, and since when the first was recorded.
create view crm.feed_lag as
select count(*) as waiting, min(recorded_at) as since from crm.change
where feed_xid >= pg_snapshot_xmin(pg_current_snapshot());

create view crm."organizations" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "slug", "base_currency", "time_zone", "locale", "default_country", "fiscal_year_start_month", "week_start", "status", "branding", "interaction_types", "allow_shared_emails", "admin_ids"
from crm."organization";

create view crm."teams" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "parent_id", "manager_id", "description"
from crm."team";

create view crm."roles" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "key", "name", "description", "inherits", "grants", "field_rules", "is_builtin"
from crm."role";

create view crm."users" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "first_name", "last_name", "email", "role_ids", "team_ids", "manager_id", "department", "job_title", "phone", "time_zone", "locale", "is_active", "last_login_at", "name", "deactivated_at"
from crm."user";

create view crm."properties" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "kind", "key", "name", "description", "type", "required", "unique", "reportable", "personal", "options", "rules", "position"
from crm."property";

create view crm."pipelines" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "kind", "is_default", "position", "stages"
from crm."pipeline";

create view crm."rates" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "currency", "day", "rate", "source"
from crm."rate";

create view crm."companies" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "domain", "website", "phone", "email", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "founded_year", "addresses", "social", "lifecycle", "parent_id", "source", "description", "tax_id", "owner_id", "team_id", "tags", "score", "lifetime_value", "size"
from crm."company";

create view crm."contacts" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "first_name", "last_name", "name", "salutation", "emails", "phones", "addresses", "social", "company_id", "job_title", "department", "lifecycle", "source", "description", "time_zone", "language", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "score", "lifetime_value", "email", "phone"
from crm."contact";

create view crm."leads" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "first_name", "last_name", "email", "phone", "mobile_phone", "company_name", "job_title", "website", "industry", "employee_count", "annual_revenue", "annual_revenue_currency", "address", "source", "source_detail", "pipeline_id", "stage_id", "unqualified_reason", "description", "do_not_email", "do_not_call", "owner_id", "team_id", "tags", "converted_at", "converted_contact_ids", "converted_company_id", "converted_contact_by", "converted_company_by", "converted_deal_id", "score", "grade", "is_hot", "model_version", "scored_at", "last_activity_at", "next_task_due_at", "status", "stage_kind", "stage_entered_at"
from crm."lead";

create view crm."deals" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "title", "description", "value", "value_currency", "pipeline_id", "stage_id", "probability", "expected_close_date", "actual_close_date", "close_reason", "close_note", "company_id", "primary_contact_id", "type", "forecast_category", "source", "next_step", "owner_id", "team_id", "tags", "lead_id", "score", "grade", "is_hot", "model_version", "scored_at", "status", "stage_kind", "stage_entered_at", "weighted_value", "weighted_value_currency", "close_date"
from crm."deal";

create view crm."tasks" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "title", "description", "type", "category", "priority", "status", "due_at", "start_at", "assignee_id", "team_id", "links", "checklist", "reminders", "outcome", "is_open", "completed_at", "completed_by"
from crm."task";

create view crm."interactions" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "type", "direction", "subject", "content", "scheduled_at", "completed_at", "duration_seconds", "outcome", "location", "recording_url", "user_id", "team_id", "participants", "links", "happens_at", "is_open"
from crm."interaction";

create view crm."notes" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "title", "content", "is_private", "is_pinned", "links", "author_id"
from crm."note";

create view crm."associations" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "from_kind"::text as "from_kind", "from_id", "to_kind"::text as "to_kind", "to_id", "label", "role", "is_primary", "started_on", "ended_on"
from crm."association";

create view crm."credentials" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "user_id", "password_set_at", "totp_since", "ticket_purpose", "ticket_expires_at", "session_generation", "totp_step"
from crm."credential";

create view crm."sessions" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "user_id", "address", "user_agent", "second_factor", "generation", "expires_at", "rotated_at"
from crm."session";

create view crm."api_keys" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "name", "user_id", "permissions", "prefix", "previous_until", "expires_at", "last_used_at"
from crm."api_key";

create view crm."throttles" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "expires_at", "failures", "window_began_at", "locked_until"
from crm."throttle";

create view crm."security_events" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "event", "user_id", "address", "user_agent", "detail"
from crm."security_event";

create view crm."jobs" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "type", "user_id", "target", "status", "finished_at", "failure", "done", "held_back", "held_back_count", "progress", "trial", "product", "taken_until"
from crm."job";

create view crm."scoring_models" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "key", "name", "description", "kind", "definition", "is_active"
from crm."scoring_model";

create view crm."rescorings" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "of", "due_at", "reached", "over_at"
from crm."rescoring";
