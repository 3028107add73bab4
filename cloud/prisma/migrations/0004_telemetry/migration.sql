-- History, private to the owner and the ingester (insert only). No keys and no foreign keys: the watermark is the
-- de-duplication, (stream_id, seq) names a record, and the ingester has resolved every reference. Times are event times.

set local role bt_owner;

create table telemetry.location_history (
  t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null,
  room_id integer,
  stream_id integer not null,
  seq bigint not null,
  span_ms integer not null,
  method smallint not null,
  reason smallint not null,
  confidence smallint not null,
  map_version integer not null,
  x real,
  y real,
  accuracy real,
  evidence bytea
);

create table telemetry.sensor_reading (
  t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null,
  room_id integer,
  stream_id integer not null,
  seq bigint not null,
  kind smallint not null,
  milli integer not null
);
comment on column telemetry.sensor_reading.milli is 'thousandths of the unit of the kind of sensor';

create table telemetry.usage_event (
  t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  tag_id integer not null,
  room_id integer,
  stream_id integer not null,
  seq bigint not null,
  kind smallint not null,
  value bigint not null
);

create table telemetry.receiver_health (
  t timestamptz not null,
  org_id integer not null,
  facility_id integer not null,
  gateway_id integer not null,
  receiver text not null,
  stream_id integer not null,
  seq bigint not null,
  state smallint not null,
  readings bigint not null,
  errors bigint not null
);
