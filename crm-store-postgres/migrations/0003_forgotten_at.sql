-- What is of no use after its time is found by that time, to be removed. Nothing refers to it: without an index for each of
-- them, these keys would be looked for in whole tables at each removal.
create index if not exists "session_expires_at" on crm."session" ("expires_at");
create index if not exists "throttle_expires_at" on crm."throttle" ("expires_at");
alter table crm."company_shared_with" drop constraint if exists "company_shared_with_target_session_id_fkey";
alter table crm."company_shared_with" drop constraint if exists "company_shared_with_target_throttle_id_fkey";
alter table crm."contact_shared_with" drop constraint if exists "contact_shared_with_target_session_id_fkey";
alter table crm."contact_shared_with" drop constraint if exists "contact_shared_with_target_throttle_id_fkey";
alter table crm."lead_shared_with" drop constraint if exists "lead_shared_with_target_session_id_fkey";
alter table crm."lead_shared_with" drop constraint if exists "lead_shared_with_target_throttle_id_fkey";
alter table crm."deal_shared_with" drop constraint if exists "deal_shared_with_target_session_id_fkey";
alter table crm."deal_shared_with" drop constraint if exists "deal_shared_with_target_throttle_id_fkey";
alter table crm."task_links" drop constraint if exists "task_links_target_session_id_fkey";
alter table crm."task_links" drop constraint if exists "task_links_target_throttle_id_fkey";
alter table crm."interaction_links" drop constraint if exists "interaction_links_target_session_id_fkey";
alter table crm."interaction_links" drop constraint if exists "interaction_links_target_throttle_id_fkey";
alter table crm."note_links" drop constraint if exists "note_links_target_session_id_fkey";
alter table crm."note_links" drop constraint if exists "note_links_target_throttle_id_fkey";
alter table crm."association" drop constraint if exists "association_from_session_id_fkey";
alter table crm."association" drop constraint if exists "association_from_throttle_id_fkey";
alter table crm."association" drop constraint if exists "association_to_session_id_fkey";
alter table crm."association" drop constraint if exists "association_to_throttle_id_fkey";
alter table crm."session" drop constraint if exists "session_merged_into_fkey";
alter table crm."throttle" drop constraint if exists "throttle_merged_into_fkey";
