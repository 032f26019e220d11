-- Deals by their primary contact, to be summed up and listed.
create index if not exists "deal_primary_contact_id_created_at" on crm."deal" (tenant_id, "primary_contact_id", "created_at", id) where archived_at is null;
