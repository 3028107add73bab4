-- What is done with an asset and what it costs: regulation, maintenance, work orders, failures, recalls, transfers,
-- check-outs, money. Rows of an asset carry its facility, which follows when the asset moves.

set local role bt_owner;

alter table asset.asset add constraint asset_facility_key unique (org_id, id, facility_id);

create table asset.contract (
  id uuid not null,
  org_id integer not null references iam.org (id),
  vendor_id uuid not null,
  kind text not null check (kind in ('service', 'warranty', 'lease', 'rental')),
  number text not null check (length(number) between 1 and 100),
  from_on date not null,
  to_on date not null check (to_on >= from_on),
  cost_year bigint not null default 0 check (cost_year between 0 and 9000000000000000),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  terms text check (length(terms) between 1 and 4000),
  notice_days integer not null default 0 check (notice_days between 0 and 3660),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  unique (org_id, vendor_id, number),
  foreign key (org_id, vendor_id) references asset.vendor (org_id, id)
);
create index contract_to on asset.contract (org_id, to_on);

create table asset.maintenance_plan (
  id uuid not null,
  org_id integer not null references iam.org (id),
  name text not null check (length(name) between 1 and 200),
  category_id uuid not null,
  every_days integer check (every_days between 1 and 3660),
  -- Operating hours.
  every_hours integer check (every_hours between 1 and 1000000),
  checklist text[] not null default '{}' check (cardinality(checklist) <= 100),
  duration_min integer not null default 60 check (duration_min between 1 and 10080),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  unique (org_id, name),
  foreign key (org_id, category_id) references asset.category (org_id, id),
  check (every_days is not null or every_hours is not null)
);

create table asset.asset_regulatory (
  asset_id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  -- As it was scanned; what follows was read from it.
  udi text check (length(udi) between 1 and 200),
  udi_issuer text check (udi_issuer in ('gs1', 'hibcc', 'iccbba')),
  udi_di text check (length(udi_di) between 1 and 64),
  udi_pi text check (length(udi_pi) between 1 and 200),
  udi_lot text check (length(udi_lot) between 1 and 64),
  udi_serial text check (length(udi_serial) between 1 and 64),
  udi_expires_on date,
  udi_made_on date,
  gmdn_code text check (gmdn_code ~ '^[0-9]{5}$'),
  product_code text check (length(product_code) between 1 and 100),
  fda_class text check (fda_class in ('I', 'II', 'III')),
  mdr_class text check (mdr_class in ('I', 'Is', 'Im', 'Ir', 'IIa', 'IIb', 'III')),
  is_ce_marked boolean,
  is_rx_only boolean,
  is_implantable boolean,
  is_single_use boolean,
  is_sterile boolean,
  mri_safety text check (mri_safety in ('safe', 'conditional', 'unsafe')),
  has_latex boolean,
  stores_patient_data boolean,
  is_networked boolean,
  mac_addresses text[] not null default '{}' check (cardinality(mac_addresses) <= 16),
  ip_address inet,
  os_name text check (length(os_name) between 1 and 100),
  os_support_until date,
  cyber_risk text check (cyber_risk in ('low', 'medium', 'high', 'critical')),
  electrical_class text check (electrical_class in ('I', 'II', 'III', 'internal')),
  applied_part text check (applied_part in ('B', 'BF', 'CF')),
  calibration_required boolean not null default false,
  calibration_days integer check (calibration_days between 1 and 3660),
  last_calibrated_on date,
  next_calibration_on date,
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, asset_id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  check (num_nulls(udi, udi_issuer, udi_di) in (0, 3))
);
create index regulatory_udi on asset.asset_regulatory (org_id, udi_di);
create index regulatory_calibration on asset.asset_regulatory (org_id, next_calibration_on);

create table asset.asset_service (
  asset_id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  strategy text not null default 'time' check (strategy in ('time', 'usage', 'condition', 'run_to_failure')),
  pm_plan_id uuid,
  pm_days integer check (pm_days between 1 and 3660),
  pm_hours integer check (pm_hours between 1 and 1000000),
  pm_grace_days integer not null default 0 check (pm_grace_days between 0 and 365),
  last_pm_on date,
  last_pm_minutes bigint not null default 0 check (last_pm_minutes >= 0),
  next_pm_on date,
  operating_minutes bigint not null default 0 check (operating_minutes between 0 and 9000000000000000),
  hours_source text check (hours_source in ('meter', 'derived', 'manual')),
  cycles bigint check (cycles between 0 and 9000000000000000),
  service_vendor_id uuid,
  contract_id uuid,
  warranty_from date,
  warranty_until date check (warranty_until >= warranty_from),
  response_hours integer check (response_hours between 1 and 8760),
  expected_life_months integer check (expected_life_months between 1 and 1200),
  end_of_life_on date,
  end_of_support_on date,
  replacement_for uuid,
  loaner_for uuid,
  cmms_ref text check (length(cmms_ref) between 1 and 200),
  service_note text check (length(service_note) between 1 and 4000),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, asset_id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, pm_plan_id) references asset.maintenance_plan (org_id, id),
  foreign key (org_id, service_vendor_id) references asset.vendor (org_id, id),
  foreign key (org_id, contract_id) references asset.contract (org_id, id),
  foreign key (org_id, replacement_for) references asset.asset (org_id, id),
  foreign key (org_id, loaner_for) references asset.asset (org_id, id)
);
create index service_next_pm on asset.asset_service (org_id, next_pm_on);

create table asset.asset_finance (
  asset_id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  -- Of every amount of this asset, in minor units.
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  purchase_cost bigint check (purchase_cost between 0 and 9000000000000000),
  purchased_on date,
  order_no text check (length(order_no) between 1 and 100),
  invoice_no text check (length(invoice_no) between 1 and 100),
  supplier_id uuid,
  funding text check (funding in ('capital', 'operating', 'grant', 'donation', 'lease')),
  grant_no text check (length(grant_no) between 1 and 100),
  cost_center text check (length(cost_center) between 1 and 100),
  gl_account text check (length(gl_account) between 1 and 100),
  is_capitalised boolean,
  in_service_on date,
  depreciation_method text not null default 'none' check (depreciation_method in (
    'none', 'straight_line', 'declining_balance', 'double_declining', 'sum_of_years')),
  life_months integer check (life_months between 1 and 1200),
  salvage bigint not null default 0 check (salvage between 0 and 9000000000000000),
  -- Thousandths of the book value a year.
  declining_permille integer check (declining_permille between 1 and 1000),
  replacement_cost bigint check (replacement_cost between 0 and 9000000000000000),
  lessor_id uuid,
  lease_from date,
  lease_until date check (lease_until >= lease_from),
  lease_month_cost bigint check (lease_month_cost between 0 and 9000000000000000),
  rental_day_cost bigint check (rental_day_cost between 0 and 9000000000000000),
  insured_value bigint check (insured_value between 0 and 9000000000000000),
  policy_no text check (length(policy_no) between 1 and 100),
  downtime_hour_cost bigint check (downtime_hour_cost between 0 and 9000000000000),
  disposed_on date,
  disposal_way text check (disposal_way in ('sold', 'traded_in', 'donated', 'recycled', 'scrapped', 'returned')),
  proceeds bigint check (proceeds between 0 and 9000000000000000),
  budget_year integer check (budget_year between 1990 and 2200),
  replacement_priority text check (replacement_priority in ('low', 'normal', 'high', 'urgent')),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, asset_id),
  unique (org_id, asset_id, currency),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, supplier_id) references asset.vendor (org_id, id),
  foreign key (org_id, lessor_id) references asset.vendor (org_id, id),
  check (salvage <= coalesce(purchase_cost, salvage)),
  check (depreciation_method = 'none'
    or num_nulls(purchase_cost, in_service_on, life_months) = 0),
  check (depreciation_method <> 'declining_balance' or declining_permille is not null)
);

create table asset.certification (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  kind text not null check (length(kind) between 1 and 100),
  number text check (length(number) between 1 and 100),
  issuer text not null check (length(issuer) between 1 and 200),
  issued_on date not null,
  valid_until date not null check (valid_until >= issued_on),
  state text not null default 'valid' check (state in ('valid', 'revoked')),
  note text check (length(note) between 1 and 4000),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade
);
create index certification_asset on asset.certification (org_id, asset_id, kind, valid_until);
create index certification_until on asset.certification (org_id, valid_until) where state = 'valid';

create table asset.work_order_number (
  org_id integer primary key references iam.org (id),
  last integer not null check (last > 0)
);

create table asset.work_order (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  number integer not null,
  kind text not null check (kind in ('preventive', 'corrective', 'inspection', 'calibration', 'recall', 'cleaning',
    'install', 'disposal')),
  origin text not null check (origin in ('manual', 'pm_plan', 'inspection', 'failure', 'recall')),
  -- What of the origin led to it; for maintenance by use `hours:` and the operating minutes at which it was due.
  origin_ref text check (length(origin_ref) between 1 and 100),
  priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
  state text not null check (state in ('draft', 'open', 'assigned', 'in_progress', 'waiting_parts', 'done', 'verified',
    'cancelled')),
  title text not null check (length(title) between 1 and 200),
  detail text check (length(detail) between 1 and 4000),
  assigned_to text check (length(assigned_to) between 1 and 200),
  vendor_id uuid,
  due_on date,
  opened_at timestamptz not null default now(),
  started_at timestamptz,
  done_at timestamptz,
  verified_at timestamptz,
  down_from timestamptz,
  down_to timestamptz check (down_to >= down_from),
  cause_code text check (length(cause_code) between 1 and 64),
  -- What was done.
  action text check (length(action) between 1 and 4000),
  -- [{"text", "done"}]
  checklist jsonb not null default '[]' check (jsonb_typeof(checklist) = 'array' and pg_column_size(checklist) <= 65536),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  unique (org_id, number),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, vendor_id) references asset.vendor (org_id, id),
  check (kind <> 'preventive' or due_on is not null),
  check (state not in ('done', 'verified') or done_at is not null)
);
create unique index work_order_preventive on asset.work_order (org_id, asset_id, due_on)
  where kind = 'preventive' and state not in ('done', 'verified', 'cancelled');
create index work_order_asset on asset.work_order (org_id, asset_id, opened_at desc);
create index work_order_open on asset.work_order (org_id, facility_id, state, priority)
  where state not in ('done', 'verified', 'cancelled');

create table asset.inspection (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  kind text not null check (length(kind) between 1 and 100),
  due_on date not null,
  done_on date,
  inspector text check (length(inspector) between 1 and 200),
  result text check (result in ('pass', 'conditional', 'fail')),
  findings text check (length(findings) between 1 and 4000),
  -- {"name": value}
  measurements jsonb not null default '{}'
    check (jsonb_typeof(measurements) = 'object' and pg_column_size(measurements) <= 16384),
  next_on date,
  work_order_id uuid,
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, work_order_id) references asset.work_order (org_id, id),
  check ((done_on is null) = (result is null)),
  check (next_on > done_on)
);
create index inspection_asset on asset.inspection (org_id, asset_id, due_on);
create index inspection_due on asset.inspection (org_id, due_on) where done_on is null;

create table asset.work_line (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  work_order_id uuid not null,
  kind text not null check (kind in ('labour', 'part', 'travel', 'other')),
  text text not null check (length(text) between 1 and 200),
  -- Less than nothing takes back what was written in error.
  quantity_milli integer not null check (quantity_milli <> 0),
  unit_cost bigint not null check (unit_cost between 0 and 1000000000000),
  currency text not null,
  cost bigint not null generated always as (round(quantity_milli * unit_cost / 1000.0)) stored,
  minutes integer check (minutes between 0 and 100000),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, work_order_id) references asset.work_order (org_id, id),
  foreign key (org_id, asset_id, currency) references asset.asset_finance (org_id, asset_id, currency)
);
create index work_line_order on asset.work_line (org_id, work_order_id);
create index work_line_asset on asset.work_line (org_id, asset_id);

create table asset.failure (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  work_order_id uuid,
  at timestamptz not null,
  detected_by text not null check (detected_by in ('user', 'sensor', 'inspection')),
  mode text not null check (length(mode) between 1 and 200),
  severity text not null check (severity in ('minor', 'major', 'critical')),
  patient_involved boolean not null default false,
  resolved_at timestamptz check (resolved_at >= at),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, work_order_id) references asset.work_order (org_id, id)
);
create index failure_asset on asset.failure (org_id, asset_id, at);
create index failure_work_order on asset.failure (org_id, work_order_id) where resolved_at is null;

create table asset.recall (
  id uuid not null,
  org_id integer not null references iam.org (id),
  number text not null check (length(number) between 1 and 100),
  authority text not null check (length(authority) between 1 and 200),
  class text not null check (class in ('I', 'II', 'III', 'notice')),
  title text not null check (length(title) between 1 and 200),
  manufacturer text check (length(manufacturer) between 1 and 200),
  udi_dis text[] not null default '{}' check (cardinality(udi_dis) <= 1000),
  model_nos text[] not null default '{}' check (cardinality(model_nos) <= 1000),
  lot_from text check (length(lot_from) between 1 and 64),
  lot_to text check (length(lot_to) between 1 and 64),
  -- {"from", "to", "prefixes", "list"}
  serial_rule jsonb check (jsonb_typeof(serial_rule) = 'object' and pg_column_size(serial_rule) <= 65536),
  action text not null check (length(action) between 1 and 4000),
  issued_on date not null,
  state text not null default 'new' check (state in ('new', 'in_action', 'closed')),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  unique (org_id, authority, number),
  check (cardinality(udi_dis) > 0 or manufacturer is not null)
);

create table asset.recall_match (
  org_id integer not null references iam.org (id),
  recall_id uuid not null,
  asset_id uuid not null,
  facility_id integer not null,
  matched_by text not null check (matched_by in ('udi', 'model', 'manufacturer')),
  state text not null default 'suspect' check (state in ('suspect', 'confirmed', 'cleared', 'fixed', 'removed')),
  work_order_id uuid,
  note text check (length(note) between 1 and 4000),
  decided_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, recall_id, asset_id),
  foreign key (org_id, recall_id) references asset.recall (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, work_order_id) references asset.work_order (org_id, id)
);
create index recall_match_asset on asset.recall_match (org_id, asset_id) where state in ('suspect', 'confirmed');

create table asset.transfer (
  id uuid not null,
  org_id integer not null references iam.org (id),
  asset_id uuid not null,
  -- For who receives it: the asset itself is not yet in reach there.
  asset_label text not null check (length(asset_label) between 1 and 270),
  from_facility integer not null,
  to_facility integer not null check (to_facility <> from_facility),
  kind text not null check (kind in ('move', 'loan', 'return')),
  state text not null default 'requested' check (state in ('requested', 'approved', 'in_transit', 'received',
    'rejected', 'cancelled')),
  reason text check (length(reason) between 1 and 500),
  -- What the asset was before it left.
  status_before text,
  approved_at timestamptz,
  left_at timestamptz,
  received_at timestamptz,
  -- First fix of its tag at the other site, when that is what received it.
  seen_at timestamptz,
  due_back_on date,
  returned_by uuid,
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  foreign key (org_id, asset_id) references asset.asset (org_id, id),
  foreign key (org_id, from_facility) references site.facility (org_id, id),
  foreign key (org_id, to_facility) references site.facility (org_id, id),
  foreign key (org_id, returned_by) references asset.transfer (org_id, id),
  check (due_back_on is null or kind = 'loan')
);
create unique index transfer_open on asset.transfer (org_id, asset_id)
  where state in ('requested', 'approved', 'in_transit');
create index transfer_to on asset.transfer (org_id, to_facility, state);
create index transfer_from on asset.transfer (org_id, from_facility, state);

create table asset.checkout (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  -- A person or a place of work, as those who lend it call them.
  holder text not null check (length(holder) between 1 and 200),
  out_at timestamptz not null default now(),
  due_at timestamptz check (due_at > out_at),
  in_at timestamptz check (in_at >= out_at),
  note text check (length(note) between 1 and 500),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  updated_at timestamptz not null default now(),
  updated_by uuid,
  row_version integer not null default 1,
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade
);
create unique index checkout_open on asset.checkout (org_id, asset_id) where in_at is null;
create index checkout_asset on asset.checkout (org_id, asset_id, out_at desc);

create table asset.cost_entry (
  id uuid not null,
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  kind text not null check (kind in ('labour', 'parts', 'contract', 'consumable', 'rental', 'energy', 'disposal', 'other',
    'credit')),
  on_date date not null,
  amount bigint not null check (amount between 0 and 9000000000000000),
  currency text not null,
  note text check (length(note) between 1 and 500),
  created_at timestamptz not null default now(),
  created_by uuid default iam.current_user_id(),
  primary key (org_id, id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade,
  foreign key (org_id, asset_id, currency) references asset.asset_finance (org_id, asset_id, currency)
);
create index cost_entry_asset on asset.cost_entry (org_id, asset_id, on_date);

-- From what the lines below were made; where the asset's finance says otherwise by now, they are made anew.
create table asset.depreciation_basis (
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  method text not null,
  cost bigint not null,
  salvage bigint not null,
  life_months integer not null,
  in_service_on date not null,
  declining_permille integer,
  built_at timestamptz not null default now(),
  primary key (org_id, asset_id),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade
);

create table asset.depreciation_line (
  org_id integer not null references iam.org (id),
  facility_id integer not null,
  asset_id uuid not null,
  -- First day of the month.
  month date not null check (extract(day from month) = 1),
  amount bigint not null check (amount >= 0),
  accumulated bigint not null,
  book_value bigint not null check (book_value >= 0),
  primary key (org_id, asset_id, month),
  foreign key (org_id, asset_id, facility_id) references asset.asset (org_id, id, facility_id) on update cascade
);

call iam.protect('asset.contract');
call iam.protect('asset.maintenance_plan');
call iam.protect('asset.work_order_number');
call iam.protect('asset.recall');
do $$
declare
  name text;
begin
  foreach name in array array['asset_regulatory', 'asset_service', 'asset_finance', 'certification', 'inspection',
    'work_order', 'work_line', 'failure', 'recall_match', 'checkout', 'cost_entry', 'depreciation_basis',
    'depreciation_line']
  loop
    call iam.protect(format('asset.%I', name), 'facility_id');
  end loop;
  foreach name in array array['contract', 'maintenance_plan', 'recall', 'asset_regulatory', 'asset_service',
    'asset_finance', 'certification', 'inspection', 'work_order', 'failure', 'recall_match', 'transfer', 'checkout']
  loop
    execute format('create trigger touch before update on asset.%I for each row execute function iam.touch()', name);
  end loop;
  foreach name in array array['contract', 'maintenance_plan', 'recall', 'certification', 'inspection', 'work_order',
    'work_line', 'failure', 'transfer', 'checkout', 'cost_entry']
  loop
    execute format('create trigger record_change after insert or update or delete on asset.%I for each row '
      'execute function audit.record_change(''id'')', name);
  end loop;
  foreach name in array array['asset_regulatory', 'asset_service', 'asset_finance', 'recall_match'] loop
    execute format('create trigger record_change after insert or update or delete on asset.%I for each row '
      'execute function audit.record_change(''asset_id'')', name);
  end loop;
end
$$;

-- Both facilities of a transfer see it and act on it.
call iam.protect('asset.transfer');
drop policy reach on asset.transfer;
create policy reach on asset.transfer to bt_api
  using (org_id = (select iam.current_org()) and ((select iam.sees_all_facilities())
    or from_facility = any ((select iam.current_facilities())::integer[])
    or to_facility = any ((select iam.current_facilities())::integer[])))
  with check (org_id = (select iam.current_org()) and ((select iam.sees_all_facilities())
    or from_facility = any ((select iam.current_facilities())::integer[])
    or to_facility = any ((select iam.current_facilities())::integer[])));

-- An asset goes out of one facility's reach and into the other's, so neither side could write it.
create function asset.follow_transfer() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if new.state = 'in_transit' and old.state <> 'in_transit' then
    select a.status into new.status_before from asset.asset a
      where a.org_id = new.org_id and a.id = new.asset_id for update;
    update asset.asset a set status = 'in_transfer' where a.org_id = new.org_id and a.id = new.asset_id;
  elsif new.state = 'cancelled' and old.state = 'in_transit' then
    update asset.asset a set status = new.status_before
      where a.org_id = new.org_id and a.id = new.asset_id and a.status = 'in_transfer';
  elsif new.state = 'received' and old.state <> 'received' then
    update asset.asset a set facility_id = new.to_facility, home_room_id = null, department_id = null,
        using_department_id = null,
        status = case when a.status = 'in_transfer' then coalesce(new.status_before, 'active') else a.status end
      where a.org_id = new.org_id and a.id = new.asset_id;
  end if;
  return new;
end
$$;
create trigger follow_transfer before update of state on asset.transfer
  for each row execute function asset.follow_transfer();

grant select, insert, update on asset.contract, asset.maintenance_plan, asset.asset_regulatory, asset.asset_service,
  asset.asset_finance, asset.certification, asset.inspection, asset.work_order, asset.work_order_number, asset.failure,
  asset.recall, asset.recall_match, asset.transfer, asset.checkout to bt_api;
grant select, insert on asset.work_line, asset.cost_entry to bt_api;
grant select on asset.depreciation_basis, asset.depreciation_line to bt_api;

grant select on iam.org, site.facility, rtls.position, asset.asset_service, asset.asset_finance, asset.asset_regulatory,
  asset.maintenance_plan, asset.recall to bt_jobs;
grant select, insert on asset.work_order to bt_jobs;
grant select, insert, update on asset.work_order_number, asset.recall_match to bt_jobs;
grant update on asset.recall to bt_jobs;
grant select, update on asset.transfer to bt_jobs;
grant select, insert, update, delete on asset.depreciation_basis, asset.depreciation_line to bt_jobs;

-- Operating hours where a meter or a person gives them, else hours since the asset is registered; a failure is repaired
-- when it is resolved; an asset is down while a work order says so.
create view asset.reliability with (security_invoker = true, security_barrier = true) as
  select a.org_id, a.id as asset_id, a.facility_id, a.asset_tag, a.name, f.failures, f.last_failure_at,
    h.hours as operating_hours,
    case when f.failures > 0 then h.hours / f.failures end as mtbf_hours,
    f.mttr_minutes, w.down_minutes,
    1000 * (1 - least(1, w.down_minutes / greatest(1, extract(epoch from now() - a.created_at) / 60)))
      ::double precision as availability_permille
  from asset.asset a
  left join asset.asset_service s on s.org_id = a.org_id and s.asset_id = a.id
  cross join lateral (
    select count(*)::integer as failures, max(x.at) as last_failure_at,
      (avg(extract(epoch from x.resolved_at - x.at)) / 60)::double precision as mttr_minutes
    from asset.failure x where x.org_id = a.org_id and x.asset_id = a.id) as f
  cross join lateral (
    select coalesce(sum(extract(epoch from coalesce(x.down_to, now()) - x.down_from)) / 60, 0)::double precision
      as down_minutes
    from asset.work_order x where x.org_id = a.org_id and x.asset_id = a.id and x.down_from is not null) as w
  cross join lateral (
    select (case when s.hours_source is not null then s.operating_minutes / 60.0
      else extract(epoch from now() - a.created_at) / 3600 end)::double precision as hours) as h
  where a.deleted_at is null;

-- In minor units of the asset's currency.
create view asset.tco with (security_invoker = true, security_barrier = true) as
  select a.org_id, a.id as asset_id, a.facility_id, a.asset_tag, a.name, f.currency,
    coalesce(f.purchase_cost, 0) as purchase, c.entries, c.credits, l.work, d.downtime, coalesce(f.proceeds, 0) as proceeds,
    coalesce(f.purchase_cost, 0) + c.entries - c.credits + l.work + d.downtime - coalesce(f.proceeds, 0) as total
  from asset.asset a
  join asset.asset_finance f on f.org_id = a.org_id and f.asset_id = a.id
  cross join lateral (
    select coalesce(sum(x.amount) filter (where x.kind <> 'credit'), 0)::bigint as entries,
      coalesce(sum(x.amount) filter (where x.kind = 'credit'), 0)::bigint as credits
    from asset.cost_entry x where x.org_id = a.org_id and x.asset_id = a.id) as c
  cross join lateral (
    select coalesce(sum(x.cost), 0)::bigint as work
    from asset.work_line x where x.org_id = a.org_id and x.asset_id = a.id) as l
  cross join lateral (
    select coalesce(round(sum(extract(epoch from coalesce(x.down_to, now()) - x.down_from)) / 3600
      * coalesce(f.downtime_hour_cost, 0)), 0)::bigint as downtime
    from asset.work_order x where x.org_id = a.org_id and x.asset_id = a.id and x.down_from is not null) as d
  where a.deleted_at is null;

-- What falls due, one row each: of certificates the newest of its kind.
-- Every name and type is written out, so that a restored view has the same definition.
create view asset.compliance_due with (security_invoker = true, security_barrier = true) as
  select a.org_id, d.what, a.id as asset_id, a.facility_id, a.asset_tag, a.name, d.detail, d.due_on
  from asset.asset a
  join (
    select org_id, asset_id, 'certificate'::text as what, kind as detail, valid_until as due_on
      from asset.certification c
      where state = 'valid' and not exists (select from asset.certification n where n.org_id = c.org_id
        and n.asset_id = c.asset_id and n.kind = c.kind and n.state = 'valid'
        and (n.valid_until, n.id) > (c.valid_until, c.id))
    union all
    select org_id, asset_id, 'inspection'::text as what, kind as detail, due_on from asset.inspection where done_on is null
    union all
    select org_id, asset_id, 'calibration'::text as what, ''::text as detail, next_calibration_on as due_on
      from asset.asset_regulatory where calibration_required and next_calibration_on is not null
    union all
    select org_id, asset_id, 'maintenance'::text as what, strategy as detail, next_pm_on as due_on
      from asset.asset_service where next_pm_on is not null
    union all
    select org_id, asset_id, 'warranty'::text as what, ''::text as detail, warranty_until as due_on
      from asset.asset_service where warranty_until is not null
  ) as d on d.org_id = a.org_id and d.asset_id = a.id
  where a.deleted_at is null and a.status not in ('retired', 'disposed')
  union all
  select org_id, 'contract'::text as what, null::uuid as asset_id, null::integer as facility_id, null::text as asset_tag,
    null::text as name, kind || ' ' || number as detail, to_on as due_on
  from asset.contract;

-- Everything about an asset but its money. The sections' own versions are 0 where nobody has written them yet.
create view asset.asset_full with (security_invoker = true, security_barrier = true) as
  select a.org_id, a.id, a.facility_id, a.department_id, a.using_department_id, a.home_room_id, a.category_id, a.model_id,
    a.parent_id, a.asset_tag, a.name, a.description, a.manufacturer, a.model_name, a.model_no, a.serial_no, a.lot_no,
    a.firmware_version, a.software_version, a.manufactured_on, a.barcode, a.qr_code, a.giai, a.status, a.condition,
    a.criticality, a.ownership, a.mobility, a.use_state, a.use_state_since, a.hygiene_state, a.hygiene_since,
    a.out_of_service_since, a.missing_since, a.retired_at, a.retire_reason, a.last_confirmed_at, a.last_confirmed_by,
    a.is_accessory, a.is_tracked, a.quantity, a.photo_url, a.notes, a.attrs, a.created_at, a.created_by, a.updated_at,
    a.updated_by, a.row_version,
    coalesce(r.row_version, 0) as regulatory_version, r.udi, r.udi_issuer, r.udi_di, r.udi_pi, r.udi_lot, r.udi_serial,
    r.udi_expires_on, r.udi_made_on, r.gmdn_code, r.product_code, r.fda_class, r.mdr_class, r.is_ce_marked, r.is_rx_only,
    r.is_implantable, r.is_single_use, r.is_sterile, r.mri_safety, r.has_latex, r.stores_patient_data, r.is_networked,
    r.mac_addresses, r.ip_address, r.os_name, r.os_support_until, r.cyber_risk, r.electrical_class, r.applied_part,
    r.calibration_required, r.calibration_days, r.last_calibrated_on, r.next_calibration_on,
    coalesce(s.row_version, 0) as service_version, s.strategy, s.pm_plan_id, s.pm_days, s.pm_hours, s.pm_grace_days,
    s.last_pm_on, s.last_pm_minutes, s.next_pm_on, s.operating_minutes, s.hours_source, s.cycles, s.service_vendor_id,
    s.contract_id, s.warranty_from, s.warranty_until, s.response_hours, s.expected_life_months, s.end_of_life_on,
    s.end_of_support_on, s.replacement_for, s.loaner_for, s.cmms_ref, s.service_note,
    (select min(d.until) from (select max(c.valid_until) as until from asset.certification c
      where c.org_id = a.org_id and c.asset_id = a.id and c.state = 'valid' group by c.kind) as d) as certificate_until,
    (select max(i.done_on) from asset.inspection i where i.org_id = a.org_id and i.asset_id = a.id) as last_inspected_on,
    (select min(i.due_on) from asset.inspection i where i.org_id = a.org_id and i.asset_id = a.id and i.done_on is null)
      as next_inspection_on,
    exists (select from asset.recall_match m where m.org_id = a.org_id and m.asset_id = a.id
      and m.state in ('suspect', 'confirmed')) as recall_open,
    (select count(*)::integer from asset.work_order w where w.org_id = a.org_id and w.asset_id = a.id
      and w.state not in ('done', 'verified', 'cancelled')) as open_work_orders,
    (select c.holder from asset.checkout c where c.org_id = a.org_id and c.asset_id = a.id and c.in_at is null)
      as checked_out_to
  from asset.asset a
  left join asset.asset_regulatory r on r.org_id = a.org_id and r.asset_id = a.id
  left join asset.asset_service s on s.org_id = a.org_id and s.asset_id = a.id
  where a.deleted_at is null;

-- The money of an asset, for who may read it: kept apart, so that nobody who reads the rest gets it by chance.
create view asset.asset_money with (security_invoker = true, security_barrier = true) as
  select a.org_id, a.id, a.facility_id, coalesce(f.row_version, 0) as finance_version, f.currency, f.purchase_cost,
    f.purchased_on, f.order_no, f.invoice_no, f.supplier_id, f.funding, f.grant_no, f.cost_center, f.gl_account,
    f.is_capitalised, f.in_service_on, f.depreciation_method, f.life_months, f.salvage, f.declining_permille,
    f.replacement_cost, f.lessor_id, f.lease_from, f.lease_until, f.lease_month_cost, f.rental_day_cost, f.insured_value,
    f.policy_no, f.downtime_hour_cost, f.disposed_on, f.disposal_way, f.proceeds, f.budget_year, f.replacement_priority,
    d.accumulated, coalesce(d.book_value, f.purchase_cost) as book_value, d.month as book_value_month
  from asset.asset a
  left join asset.asset_finance f on f.org_id = a.org_id and f.asset_id = a.id
  left join lateral (
    select l.month, l.accumulated, l.book_value from asset.depreciation_line l
    where l.org_id = a.org_id and l.asset_id = a.id and l.month <= current_date order by l.month desc limit 1) as d on true
  where a.deleted_at is null;

grant select on asset.reliability, asset.tco, asset.compliance_due, asset.asset_full, asset.asset_money to bt_api;
