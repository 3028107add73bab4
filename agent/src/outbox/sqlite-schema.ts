import { BioTrakrError } from '@biotrakr/shared'
import type { Database } from 'better-sqlite3'

/** Marks the file as an outbox ("BTOX"), so that another program's database is never taken for one. */
const APPLICATION_ID = 0x42544f58

/**
 * Migration n brings a store from version n to n + 1 (PRAGMA user_version). Append only.
 *
 * `run` is a rowid table: blobs in a WITHOUT ROWID table take 2.3 times the room (overflow pages).
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE store (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    gateway   TEXT NOT NULL,
    nonce     TEXT NOT NULL,
    key_check BLOB NOT NULL,
    counter   INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE epoch (
    counter          INTEGER PRIMARY KEY,
    nonce            TEXT NOT NULL,
    opened_ms        INTEGER NOT NULL,
    last             INTEGER NOT NULL DEFAULT 0,
    acked            INTEGER NOT NULL DEFAULT 0,
    fixes            INTEGER NOT NULL DEFAULT 0,
    lost             INTEGER NOT NULL DEFAULT 0,
    lost_fixes       INTEGER NOT NULL DEFAULT 0,
    released_from_ms INTEGER NOT NULL DEFAULT 0,
    released_to_ms   INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE run (
    id        INTEGER PRIMARY KEY,
    epoch     INTEGER NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL,
    records   INTEGER NOT NULL,
    fixes     INTEGER NOT NULL,
    events    INTEGER NOT NULL,
    gap       INTEGER,
    from_ms   INTEGER NOT NULL,
    to_ms     INTEGER NOT NULL,
    stored_ms INTEGER NOT NULL,
    body      BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX run_order ON run (epoch, last);
  `,
  // Only columns that need no row to be rewritten: a store may be full to the last page when it is brought up to date.
  // telemetry = -1: a row of version 1, whose records have no rank; each of its fixes counts as a room change.
  `
  ALTER TABLE run ADD COLUMN telemetry INTEGER NOT NULL DEFAULT -1;
  ALTER TABLE run ADD COLUMN same_room INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE run ADD COLUMN room_change INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN lost_telemetry INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN lost_same_room INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN lost_room_change INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN swept_join INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN swept_telemetry INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN swept_same_room INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE epoch ADD COLUMN swept_room_change INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE store ADD COLUMN is_open INTEGER NOT NULL DEFAULT 0;
  `,
  // seq: the first sequence number for which the dictionary is in force.
  `
  CREATE TABLE dictionary (
    id    INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    body  BLOB NOT NULL
  ) STRICT;
  `,
]

/** Newest version of the store. */
export const NEWEST = MIGRATIONS.length

/**
 * Checks whose file it is, without writing to it.
 * @throws BioTrakrError OUTBOX_SCHEMA for a store of a newer version, OUTBOX_OPEN for a file that is no outbox
 */
export function checkSchema(db: Database, path: string): void {
  const version = Number(db.pragma('user_version', { simple: true }))
  const application = db.pragma('application_id', { simple: true })
  if (application !== APPLICATION_ID && !isEmpty(db)) {
    throw new BioTrakrError(`${path} is a database of another program, not an outbox`, {
      code: 'OUTBOX_OPEN',
      next: 'Give the outbox a file of its own',
    })
  }
  if (version > NEWEST) {
    throw new BioTrakrError(`${path} was written by a newer version (its schema is ${version}, known is ${NEWEST})`, {
      code: 'OUTBOX_SCHEMA',
      next: 'Install the version that wrote it, or a newer one; nothing was changed',
    })
  }
}

function isEmpty(db: Database): boolean {
  return db.prepare('SELECT count(*) FROM sqlite_master').pluck().get() === 0
}

/** Brings the store to the newest schema, one transaction per version. `whenNew` fills a store that was empty. */
export function migrate(db: Database, whenNew: () => void): void {
  for (let version = Number(db.pragma('user_version', { simple: true })); version < NEWEST; version++) {
    db.transaction(() => {
      db.exec(MIGRATIONS[version] ?? '')
      db.pragma(`application_id = ${APPLICATION_ID}`)
      db.pragma(`user_version = ${version + 1}`)
      if (version === 0) whenNew()
    }).immediate()
  }
}
