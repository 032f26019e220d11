-- How far each consumer of the feed has come.
create table if not exists crm.feed_cursor (
  consumer text collate "C" primary key,
  cursor text collate "C" not null,
  kept_at timestamptz not null -- for who looks how far behind it is
);

-- As before, and what consumers keep of how far they have come is of the other cluster too.
create or replace function crm.rebase_feed() returns void language plpgsql as $$
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
