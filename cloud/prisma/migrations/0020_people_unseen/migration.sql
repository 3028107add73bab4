-- Where a tag is that a person wears is where the person is: without a purpose the API does not see it, whoever asks.

set local role bt_owner;
grant create on schema rtls to bt_search;

set local role bt_search;

-- Tags that a person ever wore: few, so that a statement asks once and looks closer at these only.
create function rtls.tags_of_people() returns setof integer
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select distinct a.tag_id from rtls.tag_assignment a
    where a.org_id = iam.current_org() and a.asset_id is null
$$;

-- For questions whose asker cannot see who wore it.
create function rtls.is_on_person(tag integer, at timestamptz) returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from rtls.tag_assignment a
    where a.org_id = iam.current_org() and a.tag_id = tag and a.asset_id is null
      and a.from_t <= at and coalesce(a.to_t, 'infinity') > at)
$$;

revoke execute on function rtls.tags_of_people(), rtls.is_on_person(integer, timestamptz) from public;
grant execute on function rtls.tags_of_people(), rtls.is_on_person(integer, timestamptz) to bt_api;

set local role bt_owner;
revoke create on schema rtls from bt_search;

-- Whether a person wears it now or wore it then: what was heard last does not become free by taking the tag off.
create policy purpose on rtls.position as restrictive for select to bt_api
  using ((select iam.current_purpose()) is not null
    or tag_id not in (select rtls.tags_of_people())
    or not (rtls.is_on_person(tag_id, t) or rtls.is_on_person(tag_id, now())));
