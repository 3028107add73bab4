-- People: staff and patients under keys of their own, what they agreed to, where patients lie, rounds, vital signs.
-- Nothing here holds a name or a number in clear text: the application seals them, and the database never has a key that
-- opens them.

set local role bt_owner;

-- Keys of an organisation, each wrapped by the master key, which is in a file and never here. `pii` wraps the keys of
-- people; `index` makes the blind indexes by which numbers are found.
create table iam.data_key (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  purpose text not null check (purpose in ('pii', 'index')),
  state text not null default 'active' check (state in ('active', 'retired', 'destroyed')),
  wrapped_key bytea check (octet_length(wrapped_key) between 46 and 200),
  -- Which master key wraps it.
  master_ref uuid not null,
  created_at timestamptz not null default now(),
  retired_at timestamptz,
  destroyed_at timestamptz,
  unique (org_id, id),
  check ((state = 'destroyed') = (wrapped_key is null)),
  check ((state = 'destroyed') = (destroyed_at is not null)),
  check ((state = 'active') = (retired_at is null))
);
create unique index data_key_active on iam.data_key (org_id, purpose) where state = 'active';

-- One for each person. Without it nothing of that person opens any more, in no copy of these tables.
create table care.person_key (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  data_key_id uuid not null,
  key_env bytea check (octet_length(key_env) between 46 and 200),
  created_at timestamptz not null default now(),
  destroyed_at timestamptz,
  unique (org_id, id),
  foreign key (org_id, data_key_id) references iam.data_key (org_id, id),
  check ((key_env is null) = (destroyed_at is not null))
);
create index person_key_wrapped on care.person_key (org_id, data_key_id, id) where destroyed_at is null;

create table care.patient (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  person_key_id uuid not null,
  -- The pseudonym that screens show.
  label text check (length(label) between 1 and 64),
  name_env bytea check (octet_length(name_env) between 46 and 1024),
  number_env bytea check (octet_length(number_env) between 46 and 512),
  number_index bytea check (octet_length(number_index) = 16),
  index_key_id uuid,
  erased_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, person_key_id),
  unique (org_id, label),
  unique (org_id, number_index),
  foreign key (org_id, person_key_id) references care.person_key (org_id, id),
  foreign key (org_id, index_key_id) references iam.data_key (org_id, id),
  check ((number_env is null) = (number_index is null) and (number_index is null) = (index_key_id is null)),
  check ((erased_at is null) = (label is not null)),
  check (erased_at is null or (name_env is null and number_env is null))
);
create index patient_index_key on care.patient (org_id, index_key_id, id);

create table care.staff (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  person_key_id uuid not null,
  staff_group text not null check (staff_group in (
    'nurse', 'physician', 'transport', 'cleaning', 'biomed', 'security', 'other')),
  name_env bytea check (octet_length(name_env) between 46 and 1024),
  number_env bytea check (octet_length(number_env) between 46 and 512),
  number_index bytea check (octet_length(number_index) = 16),
  index_key_id uuid,
  left_at timestamptz,
  erased_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, person_key_id),
  unique (org_id, number_index),
  foreign key (org_id, person_key_id) references care.person_key (org_id, id),
  foreign key (org_id, index_key_id) references iam.data_key (org_id, id),
  check ((number_env is null) = (number_index is null) and (number_index is null) = (index_key_id is null)),
  check ((erased_at is null) = (name_env is not null)),
  check (erased_at is null or number_env is null)
);
create index staff_index_key on care.staff (org_id, index_key_id, id);

-- What a person agreed to, or what else allows it. In force from from_t until to_t or until it was withdrawn.
create table care.consent (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  patient_id uuid,
  staff_id uuid,
  scope text not null check (scope in ('location', 'sensor')),
  basis text not null check (basis in ('consent', 'contract', 'vital_interest', 'public_health')),
  -- Where the signed paper or the works agreement is kept.
  document_ref text check (length(document_ref) between 1 and 200),
  from_t timestamptz not null,
  to_t timestamptz check (to_t > from_t),
  withdrawn_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  foreign key (org_id, patient_id) references care.patient (org_id, id),
  foreign key (org_id, staff_id) references care.staff (org_id, id),
  check (num_nonnulls(patient_id, staff_id) = 1),
  check (basis <> 'contract' or document_ref is not null)
);
create index consent_patient on care.consent (org_id, patient_id, scope);
create index consent_staff on care.consent (org_id, staff_id, scope);

-- A stay in the house. What was entered in error is voided, not deleted.
create table care.encounter (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  patient_id uuid not null,
  admitted_at timestamptz not null,
  discharged_at timestamptz check (discharged_at > admitted_at),
  voided_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, patient_id) references care.patient (org_id, id),
  constraint encounter_once exclude using gist (
    org_id with =, patient_id with =, tstzrange(admitted_at, discharged_at) with &&) where (voided_at is null)
);
create index encounter_present on care.encounter (org_id, facility_id, admitted_at)
  where discharged_at is null and voided_at is null;

create table care.bed_stay (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  encounter_id uuid not null,
  bed_id integer not null,
  from_t timestamptz not null,
  to_t timestamptz check (to_t > from_t),
  voided_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  foreign key (org_id, facility_id, encounter_id) references care.encounter (org_id, facility_id, id),
  foreign key (org_id, facility_id, bed_id) references site.bed (org_id, facility_id, id),
  constraint bed_once exclude using gist (
    org_id with =, bed_id with =, tstzrange(from_t, to_t) with &&) where (voided_at is null),
  constraint stay_once exclude using gist (
    org_id with =, encounter_id with =, tstzrange(from_t, to_t) with &&) where (voided_at is null)
);
create index bed_stay_encounter on care.bed_stay (org_id, encounter_id, from_t);

-- How often somebody of a group of the staff is to be in each room of a zone. Minutes of the facility's local day; a
-- window that ends after midnight ends above 1440.
create table care.round_plan (
  id uuid primary key,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  zone_id integer not null,
  name text not null check (length(name) between 1 and 200),
  staff_group text not null check (staff_group in (
    'nurse', 'physician', 'transport', 'cleaning', 'biomed', 'security', 'other')),
  every_min integer not null check (every_min between 15 and 1440),
  min_presence_s integer not null check (min_presence_s between 5 and 3600),
  from_minute integer not null default 0 check (from_minute between 0 and 1439),
  to_minute integer not null default 1440 check (to_minute > from_minute and to_minute <= from_minute + 1440),
  from_t timestamptz not null,
  ended_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  unique (org_id, id),
  unique (org_id, facility_id, id),
  unique (org_id, facility_id, name),
  foreign key (org_id, facility_id, zone_id) references site.zone (org_id, facility_id, id)
);

-- Derived: one row for each room and time at which somebody was due.
create table care.round (
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  plan_id uuid not null,
  room_id integer not null,
  due_at timestamptz not null,
  state text not null check (state in ('due', 'done', 'missed')),
  done_at timestamptz,
  staff_id uuid,
  presence_s integer check (presence_s >= 0),
  -- The stay that proves it: tag, from, to.
  evidence jsonb,
  primary key (org_id, plan_id, room_id, due_at),
  foreign key (org_id, facility_id, plan_id) references care.round_plan (org_id, facility_id, id),
  foreign key (org_id, facility_id, room_id) references site.room (org_id, facility_id, id),
  foreign key (org_id, staff_id) references care.staff (org_id, id),
  check ((state = 'done') = (done_at is not null)),
  check ((state = 'done') = (evidence is not null)),
  check ((state = 'done') = (presence_s is not null))
);
create index round_due on care.round (org_id, facility_id, due_at);

do $$
declare
  target record;
begin
  call iam.protect('iam.data_key');
  for target in
    select * from (values
      ('person_key', null, null), ('patient', null, 'id'), ('staff', null, 'id'), ('consent', null, 'id'),
      ('encounter', 'facility_id', 'id'), ('bed_stay', 'facility_id', 'id'),
      ('round_plan', 'facility_id', 'id'), ('round', 'facility_id', null)
    ) as wanted (name, facility, audited)
  loop
    execute format('call iam.protect(%L, %L)', 'care.' || target.name, target.facility);
    -- People's data answers nobody who does not say why.
    if target.name <> 'round_plan' then
      execute format('create policy purpose on care.%I as restrictive to bt_api'
        ' using ((select iam.current_purpose()) is not null) with check ((select iam.current_purpose()) is not null)',
        target.name);
    end if;
    if target.audited is not null then
      execute format('create trigger touch before update on care.%I for each row execute function iam.touch()',
        target.name);
      execute format('create trigger audited after insert or update or delete on care.%I for each row'
        ' execute function audit.record_change(%L, ''label'', ''name_env'', ''number_env'', ''number_index'')',
        target.name, target.audited);
    end if;
  end loop;
end
$$;
create trigger audited after insert or update on iam.data_key
  for each row execute function audit.record_change('id', 'wrapped_key');

-- Who reads a person is in the audit chain before the answer is: the application has no other way to names and numbers.
create function care.read_patients(ids uuid[])
  returns table (id uuid, label text, name_env bytea, number_env bytea, person_key_id uuid, key_env bytea,
    erased_at timestamptz, created_at timestamptz, row_version integer)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if iam.current_org() is null or iam.current_purpose() is null then
    return;
  end if;
  for id, label, name_env, number_env, person_key_id, key_env, erased_at, created_at, row_version in
    select p.id, p.label, p.name_env, p.number_env, p.person_key_id, k.key_env, p.erased_at, p.created_at, p.row_version
    from care.patient p join care.person_key k on k.org_id = p.org_id and k.id = p.person_key_id
    where p.org_id = (select iam.current_org()) and p.id = any(ids)
    order by array_position(ids, p.id)
  loop
    perform audit.append('access', 'read', 'care.patient', id::text);
    return next;
  end loop;
end
$$;

create function care.read_staff(ids uuid[])
  returns table (id uuid, staff_group text, name_env bytea, number_env bytea, person_key_id uuid, key_env bytea,
    left_at timestamptz, erased_at timestamptz, created_at timestamptz, row_version integer)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if iam.current_org() is null or iam.current_purpose() is null then
    return;
  end if;
  for id, staff_group, name_env, number_env, person_key_id, key_env, left_at, erased_at, created_at, row_version in
    select s.id, s.staff_group, s.name_env, s.number_env, s.person_key_id, k.key_env, s.left_at, s.erased_at,
      s.created_at, s.row_version
    from care.staff s join care.person_key k on k.org_id = s.org_id and k.id = s.person_key_id
    where s.org_id = (select iam.current_org()) and s.id = any(ids)
    order by array_position(ids, s.id)
  loop
    perform audit.append('access', 'read', 'care.staff', id::text);
    return next;
  end loop;
end
$$;

grant execute on function care.read_patients(uuid[]), care.read_staff(uuid[]) to bt_api;

grant select, insert, update on iam.data_key to bt_api, bt_jobs;
grant select (id, org_id, destroyed_at), insert on care.person_key to bt_api;
grant update (key_env, destroyed_at) on care.person_key to bt_api;
grant select, update on care.person_key to bt_jobs;

grant select (id, org_id, person_key_id, label, number_index, index_key_id, erased_at, row_version), insert
  on care.patient to bt_api;
grant update (label, name_env, number_env, number_index, index_key_id, erased_at) on care.patient to bt_api;
grant select (id, org_id, person_key_id, staff_group, number_index, index_key_id, left_at, erased_at, row_version), insert
  on care.staff to bt_api;
grant update (staff_group, name_env, number_env, number_index, index_key_id, left_at, erased_at) on care.staff to bt_api;
grant select, update on care.patient, care.staff to bt_jobs;

grant select, insert, update on care.consent, care.encounter, care.bed_stay, care.round_plan to bt_api;
grant select on care.round to bt_api;
grant select, update on care.consent to bt_jobs;
grant select, delete on care.encounter, care.bed_stay to bt_jobs;
grant select on care.round_plan, site.zone, site.zone_room to bt_jobs;
grant select, insert, update, delete on care.round to bt_jobs;
grant select on iam.org, site.facility to bt_jobs;

-- People wear tags like assets do, but only while something allows it, and nobody sees who wears one without a purpose.
alter table rtls.tag_assignment
  add column patient_id uuid,
  add column staff_id uuid,
  -- The tag's thermometer lies on the body, so that what it says is a vital sign.
  add column measures_body boolean not null default false,
  drop constraint tag_assignment_subject,
  add constraint tag_assignment_subject check (num_nonnulls(asset_id, patient_id, staff_id) = 1),
  add check (not measures_body or patient_id is not null),
  add foreign key (org_id, patient_id) references care.patient (org_id, id),
  add foreign key (org_id, staff_id) references care.staff (org_id, id),
  add constraint tag_assignment_patient exclude using gist (
    org_id with =, patient_id with =, tstzrange(from_t, to_t) with &&) where (is_primary and patient_id is not null),
  add constraint tag_assignment_staff exclude using gist (
    org_id with =, staff_id with =, tstzrange(from_t, to_t) with &&) where (is_primary and staff_id is not null);
create index tag_assignment_patient_worn on rtls.tag_assignment (org_id, patient_id, from_t desc)
  where patient_id is not null;
create index tag_assignment_staff_worn on rtls.tag_assignment (org_id, staff_id, from_t desc) where staff_id is not null;
create policy purpose on rtls.tag_assignment as restrictive to bt_api
  using (patient_id is null and staff_id is null or (select iam.current_purpose()) is not null)
  with check (patient_id is null and staff_id is null or (select iam.current_purpose()) is not null);

-- Refuses a person's tag where no consent (or what stands for one) is in force at its start, and ends it when that ends.
-- Making an assignment shorter is always allowed.
create function care.require_consent() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  until timestamptz;
begin
  if new.patient_id is null and new.staff_id is null then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.from_t >= old.from_t and coalesce(new.to_t, 'infinity') <= coalesce(old.to_t, 'infinity')
  then
    return new;
  end if;
  select max(coalesce(c.to_t, 'infinity')) into until from care.consent c
    where c.org_id = new.org_id and c.scope = 'location' and c.withdrawn_at is null
      and (c.patient_id = new.patient_id or c.staff_id = new.staff_id)
      and c.from_t <= new.from_t and coalesce(c.to_t, 'infinity') > new.from_t;
  if until is null then
    raise exception 'no consent to be located is in force' using errcode = 'check_violation',
      constraint = 'tag_assignment_consent';
  end if;
  new.to_t := nullif(least(coalesce(new.to_t, 'infinity'), until), 'infinity');
  return new;
end
$$;
create trigger consent before insert or update of from_t, to_t, patient_id, staff_id on rtls.tag_assignment
  for each row execute function care.require_consent();

-- A consent that is withdrawn takes the tag off, unless another one still allows it.
create function care.end_assignments() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.scope <> 'location' or new.withdrawn_at is null or exists (
    select from care.consent c
    where c.org_id = new.org_id and c.id <> new.id and c.scope = 'location' and c.withdrawn_at is null
      and (c.patient_id = new.patient_id or c.staff_id = new.staff_id)
      and c.from_t <= new.withdrawn_at and coalesce(c.to_t, 'infinity') > new.withdrawn_at)
  then
    return null;
  end if;
  delete from rtls.tag_assignment a
    where a.org_id = new.org_id and (a.patient_id = new.patient_id or a.staff_id = new.staff_id)
      and a.from_t >= new.withdrawn_at;
  update rtls.tag_assignment a set to_t = new.withdrawn_at, reason = 'consent withdrawn'
    where a.org_id = new.org_id and (a.patient_id = new.patient_id or a.staff_id = new.staff_id)
      and a.from_t < new.withdrawn_at and coalesce(a.to_t, 'infinity') > new.withdrawn_at;
  return null;
end
$$;
create trigger withdrawn after update of withdrawn_at on care.consent
  for each row execute function care.end_assignments();

-- Kinds of sensor whose value, taken at the body, is an observation: LOINC 2.81 and UCUM 2.1. Only what gateways send.
create table care.observation_code (
  kind smallint primary key,
  loinc text not null check (loinc ~ '^[0-9]{1,7}-[0-9]$'),
  ucum text not null check (length(ucum) between 1 and 32),
  display text not null check (length(display) between 1 and 200)
);
insert into care.observation_code (kind, loinc, ucum, display) values (1, '8310-5', 'Cel', 'Body temperature');

-- Readings of a tag while it measured a patient who had agreed to that.
create view care.vital_sign with (security_barrier = true) as
  select a.patient_id, r.t, c.loinc, c.display, r.milli / 1000.0::double precision as value, c.ucum, r.org_id,
    r.facility_id, r.tag_id
  from rtls.tag_assignment a
  join telemetry.sensor_reading r on r.org_id = a.org_id and r.tag_id = a.tag_id
    and r.t >= a.from_t and r.t < coalesce(a.to_t, 'infinity')
  join care.observation_code c on c.kind = r.kind
  where a.org_id = (select iam.current_org()) and r.org_id = (select iam.current_org())
    and (select iam.current_purpose()) is not null
    and ((select iam.sees_all_facilities()) or r.facility_id = any ((select iam.current_facilities())::integer[]))
    and a.measures_body
    and exists (select from care.consent s
      where s.org_id = a.org_id and s.patient_id = a.patient_id and s.scope = 'sensor'
        and s.from_t <= r.t and coalesce(least(s.to_t, s.withdrawn_at), 'infinity') > r.t);

create function care.vital_signs(patient uuid, since timestamptz, until timestamptz, max_rows integer)
  returns table (t timestamptz, loinc text, display text, value double precision, ucum text)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if iam.current_org() is null or iam.current_purpose() is null then
    return;
  end if;
  perform audit.append('access', 'vital_signs', 'care.patient', patient::text,
    new => jsonb_build_object('since', since, 'until', until));
  return query
    select v.t, v.loinc, v.display, v.value, v.ucum from care.vital_sign v
    where v.patient_id = patient and v.t >= since and v.t < until
    order by v.t desc limit max_rows;
end
$$;

-- Where a person's tag was last heard since it was put on, within the caller's facilities.
create function care.where_is(person uuid)
  returns table (tag text, facility text, room text, room_name text, t timestamptz, since timestamptz, confidence smallint)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
begin
  if iam.current_org() is null or iam.current_purpose() is null then
    return;
  end if;
  select 'care.patient' into kind from care.patient p where p.org_id = (select iam.current_org()) and p.id = person;
  if not found then
    select 'care.staff' into kind from care.staff s where s.org_id = (select iam.current_org()) and s.id = person;
  end if;
  if kind is null then
    return;
  end if;
  perform audit.append('access', 'locate', kind, person::text);
  return query
    select g.identity, f.code, r.code, r.name, p.t, p.since, p.confidence
    from rtls.tag_assignment a
    join rtls.tag g on g.org_id = a.org_id and g.id = a.tag_id
    join rtls.position p on p.org_id = a.org_id and p.tag_id = a.tag_id and p.t >= a.from_t
    join site.facility f on f.org_id = a.org_id and f.id = p.facility_id
    left join site.room r on r.org_id = a.org_id and r.id = p.room_id
    where a.org_id = (select iam.current_org()) and (a.patient_id = person or a.staff_id = person) and a.is_primary
      and a.from_t <= now() and coalesce(a.to_t, 'infinity') > now()
      and (iam.sees_all_facilities() or p.facility_id = any (iam.current_facilities()));
end
$$;

-- Where a person's tag was while that person wore it, cut at the borders of the assignment. A stay is a day long at most.
create function care.stays_of(person uuid, since timestamptz, until timestamptz, max_rows integer)
  returns table (tag text, facility text, room text, t timestamptz, leave_t timestamptz)
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  everywhere boolean := iam.sees_all_facilities();
  reach integer[] := iam.current_facilities();
  kind text;
begin
  if org is null or iam.current_purpose() is null then
    return;
  end if;
  select 'care.patient' into kind from care.patient p where p.org_id = org and p.id = person;
  if not found then
    select 'care.staff' into kind from care.staff s where s.org_id = org and s.id = person;
  end if;
  if kind is null then
    return;
  end if;
  perform audit.append('access', 'history', kind, person::text,
    new => jsonb_build_object('since', since, 'until', until));
  return query
    select g.identity, f.code, r.code, greatest(y.t, a.from_t), least(y.leave_t, a.to_t)
    from rtls.tag_assignment a
    join rtls.tag g on g.org_id = a.org_id and g.id = a.tag_id
    join telemetry.stay y on y.org_id = a.org_id and y.tag_id = a.tag_id
      and y.t > greatest(a.from_t, since) - interval '26 hours' and y.t < least(a.to_t, until)
      and y.leave_t >= greatest(a.from_t, since)
    join site.facility f on f.org_id = y.org_id and f.id = y.facility_id
    left join site.room r on r.org_id = y.org_id and r.id = y.room_id
    where a.org_id = org and (a.patient_id = person or a.staff_id = person) and a.is_primary
      and a.from_t < until and coalesce(a.to_t, 'infinity') > since
      and (everywhere or y.facility_id = any (reach))
    order by 4 desc limit max_rows;
end
$$;
grant execute on function care.vital_signs(uuid, timestamptz, timestamptz, integer), care.where_is(uuid),
  care.stays_of(uuid, timestamptz, timestamptz, integer) to bt_api;
grant select on site.room to bt_jobs;
