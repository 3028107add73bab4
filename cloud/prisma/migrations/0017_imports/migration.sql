-- Files that were imported, what was wrong in them, and the way of older systems' location history into ours.

set local role bt_owner;

create table iam.import_job (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  -- Of history, which is imported for one facility; null = of all.
  facility_id integer,
  kind text not null check (kind in ('departments', 'categories', 'rooms', 'assets', 'tags', 'assignments', 'receivers',
    'users', 'history')),
  file_name text not null check (length(file_name) between 1 and 255),
  file_sha256 bytea not null check (octet_length(file_sha256) = 32),
  -- How its rows are read: a file that goes on after an interruption must be read in the same way.
  options jsonb not null default '{}' check (jsonb_typeof(options) = 'object' and pg_column_size(options) <= 16384),
  state text not null default 'running' check (state in ('running', 'done', 'failed')),
  rows_total integer not null default 0 check (rows_total >= 0),
  rows_ok integer not null default 0 check (rows_ok >= 0),
  rows_skipped integer not null default 0 check (rows_skipped >= 0),
  rows_bad integer not null default 0 check (rows_bad >= 0),
  error text check (length(error) between 1 and 1000),
  started_by text not null check (length(started_by) between 1 and 200),
  started_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  ended_at timestamptz,
  unique (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  check ((state = 'running') = (ended_at is null)),
  check ((state = 'failed') = (error is not null)),
  check (kind <> 'history' or facility_id is not null)
);
create index import_job_file on iam.import_job (org_id, kind, file_sha256);
create index import_job_newest on iam.import_job (org_id, started_at desc);

-- The first of them, so that a person can mend the file; values of people are masked.
create table iam.import_row_error (
  org_id integer not null references iam.org (id),
  job_id uuid not null,
  n integer not null check (n between 1 and 1000),
  row_no integer not null check (row_no >= 1),
  column_name text not null check (length(column_name) <= 200),
  code text not null check (length(code) between 1 and 64),
  message text not null check (length(message) between 1 and 1000),
  value text not null check (length(value) <= 200),
  primary key (org_id, job_id, n),
  foreign key (org_id, job_id) references iam.import_job (org_id, id)
);

call iam.protect('iam.import_job', 'facility_id');
call iam.protect('iam.import_row_error');
grant select, insert on iam.import_job, iam.import_row_error to bt_api;
grant update (state, rows_total, rows_ok, rows_skipped, rows_bad, error, updated_at, ended_at) on iam.import_job to bt_api;

-- What a file of rooms or receivers brings.
grant insert on site.building, site.floor, site.room to bt_api;
grant insert, update on site.receiver to bt_api;

-- An import is a stream of its own without a gateway.
alter table rtls.watermark alter column gateway_id drop not null;
alter table rtls.watermark drop constraint watermark_epoch_check;
alter table rtls.watermark add constraint watermark_epoch_check check (
  case when gateway_id is null then epoch ~ '^import:[0-9a-f-]{36}$' else epoch ~ '^\d{1,10}-[0-9a-f]{16}$' end);
create unique index watermark_import on rtls.watermark (org_id, epoch) where gateway_id is null;

-- Opens the stream of a job, or finds it again. Null for a job that is not the caller's, or that runs no more.
create function rtls.begin_import(job uuid) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  done bigint;
begin
  if org is null or not exists (select from iam.import_job j where j.org_id = org and j.id = job and j.kind = 'history'
    and j.state = 'running' and (iam.sees_all_facilities() or j.facility_id = any (iam.current_facilities())))
  then
    return null;
  end if;
  insert into rtls.watermark (org_id, gateway_id, epoch) values (org, null, 'import:' || job)
    on conflict (org_id, epoch) where gateway_id is null do nothing;
  select w.hw into done from rtls.watermark w
    where w.org_id = org and w.gateway_id is null and w.epoch = 'import:' || job;
  return done;
end
$$;

-- One batch, in the order of time: rows first_seq to last_seq of the file, of which those that are fit come in the arrays
-- (times in milliseconds since 1970). What an earlier import brought already is left out. Null when the stream stands
-- elsewhere: another process is at the same job. Answers how many rows were written.
create function rtls.import_fixes(job uuid, first_seq bigint, last_seq bigint, times double precision[], tags integer[],
    rooms integer[], seqs bigint[], spans integer[], confidences smallint[], xs real[], ys real[], accuracies real[])
  returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  place integer;
  stream integer;
  since timestamptz;
  until timestamptz;
  written integer;
begin
  select j.facility_id into place from iam.import_job j
    where j.org_id = org and j.id = job and j.kind = 'history' and j.state = 'running';
  if org is null or place is null
    or not (iam.sees_all_facilities() or place = any (iam.current_facilities()))
  then
    return null;
  end if;
  select w.id into stream from rtls.watermark w
    where w.org_id = org and w.gateway_id is null and w.epoch = 'import:' || job and w.hw = first_seq - 1 for update;
  if stream is null then
    return null;
  end if;
  if exists (select distinct n from unnest(tags) as n
      except select g.id from rtls.tag g where g.org_id = org and g.id = any (tags))
    or exists (select distinct n from unnest(rooms) as n
      except select r.id from site.room r where r.org_id = org and r.facility_id = place and r.id = any (rooms))
  then
    raise exception 'a tag or a room is not of this facility' using errcode = 'foreign_key_violation';
  end if;
  select to_timestamp(min(n) / 1000.0), to_timestamp(max(n) / 1000.0) into since, until from unnest(times) as n;
  if until > now() + interval '5 minutes' then
    raise exception 'a time lies in the future' using errcode = 'check_violation';
  end if;
  -- Looked for one by one by the index of tags: a plan over the whole history would cost more than the batch.
  if exists (select from rtls.watermark w where w.org_id = org and w.gateway_id is null and w.id <> stream
    and w.first_t <= until and w.newest_t >= since)
  then
    insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason,
        confidence, map_version, x, y, accuracy)
      select to_timestamp(f.t / 1000.0), org, place, f.tag, f.room, stream, f.seq, f.span, 9, 0, f.confidence, 0, f.x, f.y,
        f.accuracy
      from unnest(times, tags, rooms, seqs, spans, confidences, xs, ys, accuracies)
        as f (t, tag, room, seq, span, confidence, x, y, accuracy)
      left join lateral (select h.t from telemetry.location_history h
        where h.tag_id = f.tag and h.t = to_timestamp(f.t / 1000.0) and h.t >= since and h.t <= until and h.org_id = org
          and h.method = 9 limit 1) as known on true
      where known.t is null;
  else
    insert into telemetry.location_history (t, org_id, facility_id, tag_id, room_id, stream_id, seq, span_ms, method, reason,
        confidence, map_version, x, y, accuracy)
      select to_timestamp(f.t / 1000.0), org, place, f.tag, f.room, stream, f.seq, f.span, 9, 0, f.confidence, 0, f.x, f.y,
        f.accuracy
      from unnest(times, tags, rooms, seqs, spans, confidences, xs, ys, accuracies)
        as f (t, tag, room, seq, span, confidence, x, y, accuracy);
  end if;
  get diagnostics written = row_count;
  update rtls.watermark w set hw = last_seq, rows = w.rows + written, first_t = least(w.first_t, since),
      newest_t = greatest(w.newest_t, until), updated_at = now(),
      dirty_from = case when written > 0 then least(w.dirty_from, since) else w.dirty_from end,
      dirty_seq = case when written > 0 then least(w.dirty_seq, first_seq) else w.dirty_seq end
    where w.id = stream;
  return written;
end
$$;

grant execute on function rtls.begin_import(uuid),
  rtls.import_fixes(uuid, bigint, bigint, double precision[], integer[], integer[], bigint[], integer[], smallint[], real[],
    real[], real[]) to bt_api;
