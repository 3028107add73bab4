-- What a hospital owns, and how it is found. Numbers, names and serials are searched by trigram indexes that row security
-- would switch off, so the search functions at the end belong to bt_search and filter tenant and facility themselves.

-- All three are trusted extensions: the owner of the database may create them without being a superuser.
do $$
declare
  wanted text;
begin
  foreach wanted in array array['pg_trgm', 'btree_gin', 'btree_gist'] loop
    if exists (select from pg_catalog.pg_extension where extname = wanted) then
      continue;
    end if;
    if not exists (select from pg_catalog.pg_available_extensions where name = wanted) then
      raise exception 'this PostgreSQL server lacks %, one of the modules that PostgreSQL itself ships as "contrib"; let an '
        'administrator install the package (postgresql-contrib, or postgresql% of the distribution)', wanted,
        current_setting('server_version_num')::integer / 10000
        using errcode = 'feature_not_supported';
    end if;
    begin
      execute format('create extension if not exists %I with schema public', wanted);
    exception when insufficient_privilege then
      raise exception 'the user % may not create the extension % in this database; let an administrator run "create extension '
        '%", or migrate as the owner of the database', current_user, wanted, wanted
        using errcode = 'insufficient_privilege';
    end;
  end loop;
end
$$;

-- The operators may stand in another schema where an administrator created the extensions.
select set_config('search_path', format('pg_catalog, %I, pg_temp', n.nspname), true)
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm';

set local role bt_owner;

grant usage on schema asset to bt_search;

create table asset.vendor (
  id uuid not null,
  org_id integer not null references iam.org (id),
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  kind text not null check (kind in ('manufacturer', 'supplier', 'service', 'lessor')),
  web text check (length(web) between 1 and 500),
  support_email text check (length(support_email) between 3 and 254),
  support_phone text check (length(support_phone) between 3 and 40),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text check (length(delete_reason) between 1 and 500),
  primary key (org_id, id),
  check ((deleted_at is null) = (delete_reason is null))
);
create unique index vendor_code on asset.vendor (org_id, code) where deleted_at is null;

create table asset.category (
  id uuid not null,
  org_id integer not null references iam.org (id),
  parent_id uuid,
  code text not null check (length(code) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  gmdn_code text check (gmdn_code ~ '^[0-9]{5}$'),
  -- Proposals for new assets of this kind.
  default_pm_days integer check (default_pm_days between 1 and 3660),
  default_life_months integer check (default_life_months between 1 and 1200),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text check (length(delete_reason) between 1 and 500),
  primary key (org_id, id),
  foreign key (org_id, parent_id) references asset.category (org_id, id),
  check ((deleted_at is null) = (delete_reason is null))
);
create unique index category_code on asset.category (org_id, code) where deleted_at is null;
create index category_parent on asset.category (org_id, parent_id) where deleted_at is null;

create table asset.model (
  id uuid not null,
  org_id integer not null references iam.org (id),
  manufacturer_id uuid not null,
  category_id uuid not null,
  name text not null check (length(name) between 1 and 200),
  model_no text not null check (length(model_no) between 1 and 100),
  udi_di text check (length(udi_di) between 1 and 64),
  manual_url text check (length(manual_url) between 1 and 500),
  -- What every asset of this model begins with.
  attrs jsonb not null default '{}' check (jsonb_typeof(attrs) = 'object' and pg_column_size(attrs) <= 16384),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text check (length(delete_reason) between 1 and 500),
  primary key (org_id, id),
  foreign key (org_id, manufacturer_id) references asset.vendor (org_id, id),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  check ((deleted_at is null) = (delete_reason is null))
);
create unique index model_number on asset.model (org_id, manufacturer_id, model_no) where deleted_at is null;
create index model_category on asset.model (org_id, category_id) where deleted_at is null;

-- Which further fields assets have: of every category, or of one and what lies below it.
create table asset.attribute_def (
  id uuid not null,
  org_id integer not null references iam.org (id),
  category_id uuid,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,39}$'),
  name text not null check (length(name) between 1 and 200),
  type text not null check (type in ('text', 'integer', 'number', 'boolean', 'date', 'choice')),
  unit text check (length(unit) between 1 and 40),
  required boolean not null default false,
  choices text[] not null default '{}' check (cardinality(choices) <= 200),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text check (length(delete_reason) between 1 and 500),
  primary key (org_id, id),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  check ((deleted_at is null) = (delete_reason is null)),
  check ((type = 'choice') = (cardinality(choices) > 0)),
  check (unit is null or type in ('integer', 'number'))
);
-- One meaning a key: search by attribute would mix a length and a weight otherwise.
create unique index attribute_def_key on asset.attribute_def (org_id, key) where deleted_at is null;

-- Lower case without Latin accents, the same in every locale of the database.
create function asset.fold(words text) returns text
  language sql immutable parallel safe strict
  return replace(lower(translate(words,
    'ÀÁÂÃÄÅĀĂĄÇĆČĎÐÈÉÊËĒĖĘĚÌÍÎÏĪĮĽĹŁÑŃŇÒÓÔÕÖØŌŐŔŘŚŞŠŤŢÙÚÛÜŪŮŰŲÝŸŹŻŽàáâãäåāăąçćčďðèéêëēėęěìíîïīįľĺłñńňòóôõöøōőŕřśşšťţùúûüūůűųýÿźżž',
    'AAAAAAAAACCCDDEEEEEEEEIIIIIILLLNNNOOOOOOOORRSSSTTUUUUUUUUYYZZZaaaaaaaaacccddeeeeeeeeiiiiiilllnnnoooooooorrsssttuuuuuuuuyyzzz')),
    'ß', 'ss');

create table asset.asset (
  id uuid not null,
  org_id integer not null references iam.org (id),
  -- Home; where it is now is a matter of its tag.
  facility_id integer not null,
  department_id integer,
  using_department_id integer,
  home_room_id integer,
  category_id uuid not null,
  model_id uuid,
  parent_id uuid,
  asset_tag text not null check (length(asset_tag) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  description text check (length(description) between 1 and 4000),
  manufacturer text check (length(manufacturer) between 1 and 200),
  model_name text check (length(model_name) between 1 and 200),
  model_no text check (length(model_no) between 1 and 100),
  serial_no text check (length(serial_no) between 1 and 100),
  lot_no text check (length(lot_no) between 1 and 100),
  firmware_version text check (length(firmware_version) between 1 and 100),
  software_version text check (length(software_version) between 1 and 100),
  manufactured_on date,
  barcode text check (length(barcode) between 1 and 200),
  qr_code text check (length(qr_code) between 1 and 500),
  -- GS1 Global Individual Asset Identifier: company prefix and reference, 4-30 characters of GS1's set 82.
  giai text check (giai ~ '^[0-9]{4}[!-"%-?A-Z_a-z]{0,26}$'),
  status text not null default 'active' check (status in ('active', 'in_service', 'standby', 'in_repair', 'quarantined',
    'missing', 'in_transfer', 'retired', 'disposed')),
  condition text not null default 'good' check (condition in ('new', 'good', 'fair', 'poor', 'unusable')),
  criticality text not null default 'medium' check (criticality in ('low', 'medium', 'high', 'life_support')),
  ownership text not null default 'owned' check (ownership in ('owned', 'leased', 'rented', 'loaned', 'trial',
    'patient_owned')),
  mobility text not null default 'mobile' check (mobility in ('fixed', 'portable', 'mobile')),
  use_state text not null default 'unknown' check (use_state in ('unknown', 'idle', 'in_use', 'moving', 'charging',
    'stored')),
  use_state_since timestamptz,
  hygiene_state text not null default 'unknown' check (hygiene_state in ('unknown', 'clean', 'in_use', 'dirty',
    'in_cleaning')),
  hygiene_since timestamptz,
  out_of_service_since timestamptz,
  missing_since timestamptz,
  retired_at timestamptz,
  retire_reason text check (length(retire_reason) between 1 and 500),
  -- When somebody last saw it with their own eyes.
  last_confirmed_at timestamptz,
  last_confirmed_by text check (length(last_confirmed_by) between 1 and 200),
  is_accessory boolean not null default false,
  is_tracked boolean not null default true,
  quantity integer not null default 1 check (quantity between 1 and 1000000),
  photo_url text check (length(photo_url) between 1 and 500),
  notes text check (length(notes) between 1 and 4000),
  attrs jsonb not null default '{}' check (jsonb_typeof(attrs) = 'object' and pg_column_size(attrs) <= 16384),
  -- Begins with a space, so that the first word begins like every other.
  search text not null generated always as (' ' || asset.fold(asset_tag || ' ' || name || ' ' || coalesce(manufacturer, '')
    || ' ' || coalesce(model_name, '') || ' ' || coalesce(model_no, '') || ' ' || coalesce(serial_no, '')
    || ' ' || coalesce(barcode, '') || ' ' || coalesce(qr_code, ''))) stored,
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  deleted_at timestamptz,
  deleted_by uuid,
  delete_reason text check (length(delete_reason) between 1 and 500),
  primary key (org_id, id),
  foreign key (org_id, facility_id) references site.facility (org_id, id),
  foreign key (org_id, facility_id, home_room_id) references site.room (org_id, facility_id, id),
  foreign key (org_id, facility_id, department_id) references site.department (org_id, facility_id, id),
  foreign key (org_id, facility_id, using_department_id) references site.department (org_id, facility_id, id),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  foreign key (org_id, model_id) references asset.model (org_id, id),
  foreign key (org_id, parent_id) references asset.asset (org_id, id),
  check ((deleted_at is null) = (delete_reason is null))
);
create unique index asset_tag on asset.asset (org_id, asset_tag) where deleted_at is null;
create unique index asset_serial on asset.asset (org_id, lower(manufacturer), serial_no)
  where deleted_at is null and manufacturer is not null and serial_no is not null;
create index asset_facility on asset.asset (org_id, facility_id, status) where deleted_at is null;
create index asset_category on asset.asset (org_id, category_id, facility_id, status) where deleted_at is null;
create index asset_department on asset.asset (org_id, department_id) where deleted_at is null;
create index asset_model on asset.asset (org_id, model_id) where deleted_at is null;
create index asset_parent on asset.asset (org_id, parent_id) where deleted_at is null and parent_id is not null;
-- Without a pending list: a search must not pay for what was written lately.
create index asset_search on asset.asset using gin (org_id, search gin_trgm_ops) with (fastupdate = off)
  where deleted_at is null;
create index asset_attrs on asset.asset using gin (org_id, attrs jsonb_path_ops) with (fastupdate = off)
  where deleted_at is null;

-- Words as assets are called, for mending what was mistyped. `deletes` holds the word with one letter left out, each in
-- turn: two words that differ by one slip have such a form in common.
create table asset.search_word (
  org_id integer not null references iam.org (id),
  word text not null check (length(word) between 3 and 60),
  n integer not null check (n > 0),
  deletes text[] not null,
  primary key (org_id, word)
);
create index search_word_deletes on asset.search_word using gin (org_id, deletes) with (fastupdate = off);
create index search_word_like on asset.search_word using gin (org_id, word gin_trgm_ops) with (fastupdate = off);

call iam.protect('asset.vendor');
call iam.protect('asset.category');
call iam.protect('asset.model');
call iam.protect('asset.attribute_def');
call iam.protect('asset.asset', 'facility_id');
call iam.protect('asset.search_word');

grant select, insert, update on asset.vendor, asset.category, asset.model, asset.attribute_def, asset.asset to bt_api;
grant select on asset.asset, asset.category, asset.model, asset.vendor to bt_jobs;
grant select on asset.asset, asset.search_word to bt_search;

-- Dates that follow from a state are kept here, so that nobody can forget them.
create function asset.keep_dates() returns trigger
  language plpgsql as $$
declare
  is_new boolean := tg_op = 'INSERT';
begin
  if is_new or new.use_state <> old.use_state then
    new.use_state_since := case when new.use_state <> 'unknown' then now() end;
  end if;
  if is_new or new.hygiene_state <> old.hygiene_state then
    new.hygiene_since := case when new.hygiene_state <> 'unknown' then now() end;
  end if;
  new.missing_since := case when new.status = 'missing' then coalesce(new.missing_since, now()) end;
  new.out_of_service_since := case when new.status in ('in_repair', 'quarantined', 'missing')
    then coalesce(new.out_of_service_since, now()) end;
  new.retired_at := case when new.status in ('retired', 'disposed') then coalesce(new.retired_at, now()) end;
  new.retire_reason := case when new.retired_at is not null then new.retire_reason end;
  return new;
end
$$;
create trigger keep_dates before insert or update on asset.asset for each row execute function asset.keep_dates();

-- Whoever deletes says why; when and by whom is noted here.
create function asset.note_deletion() returns trigger
  language plpgsql as $$
begin
  new.deleted_at := case when new.delete_reason is not null then coalesce(old.deleted_at, now()) end;
  new.deleted_by := case when old.deleted_at is not null and new.deleted_at is not null then old.deleted_by
    when new.deleted_at is not null then iam.current_user_id() end;
  return new;
end
$$;
create trigger note_deletion before update of delete_reason on asset.vendor
  for each row execute function asset.note_deletion();
create trigger note_deletion before update of delete_reason on asset.category
  for each row execute function asset.note_deletion();
create trigger note_deletion before update of delete_reason on asset.model
  for each row execute function asset.note_deletion();
create trigger note_deletion before update of delete_reason on asset.attribute_def
  for each row execute function asset.note_deletion();
create trigger note_deletion before update of delete_reason on asset.asset
  for each row execute function asset.note_deletion();

-- A tree stays one. Looks at all facilities, and one change of a tenant's tree at a time, or two could close a ring.
create function asset.refuse_cycle() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  above uuid := new.parent_id;
  depth integer := 0;
begin
  perform pg_advisory_xact_lock(tg_relid::integer, new.org_id);
  while above is not null loop
    depth := depth + 1;
    if above = new.id or depth > 16 then
      raise exception '% % would lie below itself, or more than 16 levels deep', tg_table_name, new.id
        using errcode = 'check_violation', constraint = tg_table_name || '_cycle';
    end if;
    execute format('select parent_id from asset.%I where org_id = $1 and id = $2', tg_table_name)
      into above using new.org_id, above;
  end loop;
  return new;
end
$$;
create trigger refuse_cycle before insert or update of parent_id on asset.category
  for each row when (new.parent_id is not null) execute function asset.refuse_cycle();
create trigger refuse_cycle before insert or update of parent_id on asset.asset
  for each row when (new.parent_id is not null) execute function asset.refuse_cycle();

create trigger touch before update on asset.vendor for each row execute function iam.touch();
create trigger touch before update on asset.category for each row execute function iam.touch();
create trigger touch before update on asset.model for each row execute function iam.touch();
create trigger touch before update on asset.attribute_def for each row execute function iam.touch();
create trigger touch before update on asset.asset for each row execute function iam.touch();
create trigger record_change after insert or update or delete on asset.vendor
  for each row execute function audit.record_change('id');
create trigger record_change after insert or update or delete on asset.category
  for each row execute function audit.record_change('id');
create trigger record_change after insert or update or delete on asset.model
  for each row execute function audit.record_change('id');
create trigger record_change after insert or update or delete on asset.attribute_def
  for each row execute function audit.record_change('id');
create trigger record_change after insert or update or delete on asset.asset
  for each row execute function audit.record_change('id', 'search');

-- The word with one letter left out, each in turn.
create function asset.deletes(word text) returns text[]
  language sql immutable parallel safe strict
  return array(select distinct left(word, i - 1) || substr(word, i + 1) from generate_series(1, length(word)) as i);

-- Gathers the words of the tenant's live assets anew. Numbers and codes are left out: all of them look alike.
create function asset.rebuild_search_words() returns integer
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  org integer := iam.current_org();
  words integer;
begin
  if org is null then
    return 0;
  end if;
  perform pg_advisory_xact_lock('asset.search_word'::regclass::oid::integer, org);
  with found as (
    select word, count(*)::integer as n
      from asset.asset a, unnest(string_to_array(translate(a.search, ',;:/()[]_+.-', '            '), ' ')) as word
      where a.org_id = org and a.deleted_at is null and length(word) between 3 and 60 and word !~ '[0-9]'
      group by word
  ), gone as (
    delete from asset.search_word w where w.org_id = org and not exists (select from found f where f.word = w.word)
  ), kept as (
    insert into asset.search_word as w (org_id, word, n, deletes)
      select org, f.word, f.n, asset.deletes(f.word) from found f
      on conflict (org_id, word) do update set n = excluded.n where w.n <> excluded.n
  )
  select count(*) into words from found;
  return words;
end
$$;
grant execute on function asset.rebuild_search_words() to bt_api, bt_jobs;
grant execute on function asset.fold(text) to bt_api, bt_jobs, bt_search;
grant execute on function asset.deletes(text) to bt_search;

-- From here on as bt_search, which row security shows everything: each function filters tenant and facilities itself.
grant create on schema asset to bt_search;
set local role none;
set local role bt_search;

-- What every search adds: the tenant, the facilities that the caller reaches, and what was asked for.
create function asset.search_scope(filter jsonb) returns text
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  clause text := format('a.org_id = %s and a.deleted_at is null', iam.current_org());
begin
  if not iam.sees_all_facilities() then
    clause := clause || format(' and a.facility_id = any (%L::integer[])', iam.current_facilities());
  end if;
  if filter ? 'facility' then
    clause := clause || format(' and a.facility_id = %s', (filter ->> 'facility')::integer);
  end if;
  if filter ? 'department' then
    clause := clause || format(' and a.department_id = %s', (filter ->> 'department')::integer);
  end if;
  if filter ? 'categories' then
    clause := clause || format(' and a.category_id = any (%L::uuid[])',
      array(select jsonb_array_elements_text(filter -> 'categories')));
  end if;
  if filter ? 'status' then
    clause := clause || format(' and a.status = %L', filter ->> 'status');
  end if;
  if filter ? 'attrs' then
    clause := clause || format(' and a.attrs @> %L::jsonb', filter -> 'attrs');
  end if;
  return clause;
end
$$;

-- A word as a pattern. Shorter ones have no trigram of their own: they count where a word begins.
create function asset.search_pattern(word text) returns text
  language sql immutable parallel safe strict set search_path = pg_catalog, pg_temp
  return case when length(word) < 3 then '% ' else '%' end
    || replace(replace(replace(word, '\', '\\'), '%', '\%'), '_', '\_') || '%';

-- The word of the vocabulary that was most likely meant: one slip away, else alike. Never for what holds a number.
create function asset.search_correction(wrong text) returns text
  language sql stable set search_path from current as $$
  select w.word from asset.search_word w
    where w.org_id = iam.current_org() and length(wrong) between 4 and 60 and wrong !~ '[0-9]'
      and (w.deletes && (asset.deletes(wrong) || wrong) or w.word = any (asset.deletes(wrong)) or w.word % wrong)
    order by w.deletes && (asset.deletes(wrong) || wrong) or w.word = any (asset.deletes(wrong)) desc,
      similarity(w.word, wrong) desc, w.n desc, w.word
    limit 1
$$;

-- Ids of what a clause holds, best first, by an expression that is the lower the better, and then by tag. Ranking reads
-- every row, so of more than 2,000 the first by tag are taken, and the ones whose tag is just what was typed.
create function asset.search_ids(clause text, worth text, tags text[], max_rows integer) returns uuid[]
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  ids uuid[];
  n integer;
begin
  execute format(
    'select array_agg(c.id order by c.worth, c.asset_tag), count(*) from (
       select a.id, a.asset_tag, %s as worth from asset.asset a where %s limit 2001) as c', worth, clause) into ids, n;
  if n > 2000 then
    execute format(
      'select array_agg(c.id order by c.worth, c.asset_tag) from (
         (select a.id, a.asset_tag, %1$s as worth from asset.asset a where %2$s order by a.asset_tag limit %3$s)
         union select a.id, a.asset_tag, %1$s from asset.asset a where %2$s and a.asset_tag = any (%4$L)) as c',
      worth, clause, max_rows, tags) into ids;
  end if;
  return ids[1:max_rows];
end
$$;

create function asset.search_clause(words text[]) returns text
  language sql immutable parallel safe strict set search_path = pg_catalog, pg_temp
  -- A clause for each word, written out: the index takes no LIKE ALL (array).
  return (select string_agg(format('a.search like %L', asset.search_pattern(word)), ' and ') from unnest(words) as word);

-- Live assets whose tag, name, maker, model, serial or code holds every word of `q` (the first six), best first: the one
-- whose tag is just that, then where the words stand whole, then where the tag begins so, then where a word does. Fewer
-- than three hits are followed by those of the words that were probably meant; `corrected` says which these are.
create function asset.search(q text, filter jsonb, max_rows integer)
  returns table (id uuid, place integer, corrected text)
  language plpgsql stable security definer rows 50 set search_path = pg_catalog, pg_temp as $$
declare
  words text[];
  meant text[];
  folded text := btrim(asset.fold(left(q, 200)));
  most integer := least(max_rows, 200);
  scope text;
  hits uuid[];
  found_so_far integer;
begin
  if iam.current_org() is null or not iam.has_facilities() then
    return;
  end if;
  words := (select array_agg(word order by n) from (
    select word, n from regexp_split_to_table(folded, '\s+') with ordinality as t (word, n)
      where word <> '' order by n limit 6) as first);
  if words is null or most < 1 then
    return;
  end if;
  scope := asset.search_scope(filter) || ' and ';
  hits := asset.search_ids(scope || asset.search_clause(words), format(
    'case when starts_with(a.search, %1$L) then 0 when position(%1$L in a.search || '' '') > 0 then 1
       when starts_with(a.search, %2$L) then 2 when position(%3$L in a.search) > 0 then 3 else 4 end',
    ' ' || folded || ' ', ' ' || folded, ' ' || words[1]), array[q, upper(q), lower(q)], most);
  found_so_far := coalesce(cardinality(hits), 0);
  return query select hit, n::integer, null::text from unnest(hits) with ordinality as t (hit, n);
  if found_so_far >= least(3, most) then
    return;
  end if;
  meant := (select array_agg(coalesce(
      case when exists (select from asset.search_word w where w.org_id = iam.current_org() and w.word = t.word) then t.word end,
      asset.search_correction(t.word), t.word) order by n)
    from unnest(words) with ordinality as t (word, n));
  if meant = words then
    return;
  end if;
  hits := asset.search_ids(format('%s%s and not (%s)', scope, asset.search_clause(meant), asset.search_clause(words)),
    '0', '{}', most - found_so_far);
  return query select hit, found_so_far + n::integer, array_to_string(meant, ' ')
    from unnest(hits) with ordinality as t (hit, n);
end
$$;

-- Live assets whose attributes hold everything in `wanted`, by asset tag.
create function asset.search_by_attrs(wanted jsonb, filter jsonb, max_rows integer)
  returns table (id uuid, place integer)
  language plpgsql stable security definer rows 50 set search_path = pg_catalog, pg_temp as $$
begin
  if iam.current_org() is null or not iam.has_facilities() or jsonb_typeof(wanted) <> 'object' or max_rows < 1 then
    return;
  end if;
  return query select hit, n::integer from unnest(asset.search_ids(
    format('%s and a.attrs @> %L::jsonb', asset.search_scope(filter), wanted), '0', '{}', least(max_rows, 200)))
    with ordinality as t (hit, n);
end
$$;

revoke execute on function asset.search(text, jsonb, integer), asset.search_by_attrs(jsonb, jsonb, integer),
  asset.search_scope(jsonb), asset.search_clause(text[]), asset.search_ids(text, text, text[], integer),
  asset.search_pattern(text), asset.search_correction(text) from public;
grant execute on function asset.search(text, jsonb, integer), asset.search_by_attrs(jsonb, jsonb, integer) to bt_api;

set local role none;
set local role bt_owner;
revoke create on schema asset from bt_search;
