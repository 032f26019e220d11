-- Made from the declarations by crm_store_postgres::ddl, as they were then. Once released it is never edited:
-- what is declared later comes in migrations of its own.


create table crm."product" (
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
  "sku" text collate "C",
  "description" text collate "C",
  "family" text collate "C",
  "unit" text collate "C",
  "is_active" boolean,
  "billing" text collate "C",
  "cost" numeric,
  "cost_currency" text collate "C",
  primary key (tenant_id, id)
);

alter table crm."product" add constraint "product_merged_into_fkey" foreign key (tenant_id, "merged_into") references crm."product" (tenant_id, id) deferrable initially deferred;
create index "product_created_at" on crm."product" (tenant_id, "created_at", id) where archived_at is null;
create index "product_name_key" on crm."product" (tenant_id, "name_key", id) where archived_at is null;
create index "product_family_name_key" on crm."product" (tenant_id, "family", "name_key", id) where archived_at is null;
create index "product_archived_created_at" on crm."product" (tenant_id, "created_at", id) where archived_at is not null;
create index "product_archived_at" on crm."product" (tenant_id, "archived_at", id) where archived_at is not null;

create function crm.lock_product_v1(p_tenant uuid, p_ids uuid[], p_guards boolean[], p_persons bigint[], p_machines bigint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  v bigint;
  m bigint;
begin
  for i in p_from .. p_to loop
    if p_guards[i] then
      select t.version, t.machine_version into v, m from crm."product" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for share;
    else
      select t.version, t.machine_version into v, m from crm."product" t
      where t.tenant_id = p_tenant and t.id = p_ids[i] for no key update;
    end if;
    if v is null or v <> p_persons[i] or m <> p_machines[i] then
      perform crm.refuse_v1(p_tenant, p_new_kinds, p_new_ids, crm.conflicts_v1(p_tenant, 'product', p_ids[i:i]));
    end if;
  end loop;
  return false;
end $$;

create function crm.write_product_v1(p_tenant uuid, p_ids uuid[], p_rows text[], p_groups smallint[], p_from integer, p_to integer, p_new_kinds text[], p_new_ids uuid[])
returns boolean language plpgsql as $$
declare
  there uuid[];
begin
  for i in p_from .. p_to loop
    if p_groups[i] = 0 then
      insert into crm."product" (tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "search_text", "archived_at", "external_id", "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "name_key", "sku", "description", "family", "unit", "is_active", "billing", "cost", "cost_currency")
      select p_tenant, p_ids[i], r.version, r.machine_version, r."created_at", r."created_by", r."updated_at", r."updated_by", r."search_text", r."archived_at", r."external_id", r."properties", r."shared_with", r."merged_into", r."source_ids", r."aliases", r."erased_at", r."name", r."name_key", r."sku", r."description", r."family", r."unit", r."is_active", r."billing", r."cost", r."cost_currency"
      from jsonb_populate_record(null::crm."product", p_rows[i]::jsonb) r
      on conflict (tenant_id, id) do nothing;
      if not found then there := there || p_ids[i]; end if;
      continue;
    end if;
    if p_groups[i] & 1 <> 0 then
      update crm."product" t set version = r.version, "created_at" = r."created_at", "created_by" = r."created_by", "updated_at" = r."updated_at", "updated_by" = r."updated_by", "search_text" = r."search_text", "archived_at" = r."archived_at", "external_id" = r."external_id", "properties" = r."properties", "shared_with" = r."shared_with", "merged_into" = r."merged_into", "source_ids" = r."source_ids", "aliases" = r."aliases", "erased_at" = r."erased_at", "name" = r."name", "name_key" = r."name_key", "sku" = r."sku", "description" = r."description", "family" = r."family", "unit" = r."unit", "is_active" = r."is_active", "billing" = r."billing", "cost" = r."cost", "cost_currency" = r."cost_currency"
      from crm."product" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
    if p_groups[i] & 2 <> 0 then
      update crm."product" t set machine_version = r.machine_version
      from crm."product" o, jsonb_populate_record(o, p_rows[i]::jsonb) r
      where o.tenant_id = p_tenant and o.id = p_ids[i] and t.tenant_id = p_tenant and t.id = p_ids[i];
    end if;
  end loop;
  if there is not null then
    -- New ones of the kinds before are there by now, since this commit wrote them.
    perform crm.refuse_v1(p_tenant, p_new_kinds[p_to + 1:], p_new_ids[p_to + 1:],
      crm.conflicts_v1(p_tenant, 'product', there));
  end if;
  return false;
end $$;

create view crm."products" as
select tenant_id, id, version, machine_version, "created_at", "created_by", "updated_at", "updated_by", "archived_at", "external_id", crm.plain("properties") as "properties", "shared_with", "merged_into", "source_ids", "aliases", "erased_at", "name", "sku", "description", "family", "unit", "is_active", "billing", "cost", "cost_currency"
from crm."product";
