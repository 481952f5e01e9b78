// Makes the server do something at a certain row of an export: a restrictive policy calls a function for each row
// that is read, in the order of the index.
import type { TestDatabase } from './database.js';

/** At row `rowNumber` of {@link fillLog} the server sleeps for a minute. */
export function sleepAtRow(db: TestDatabase, rowNumber: number): Promise<void> {
  return actAtRow(db, rowNumber, 'PERFORM pg_sleep(60);');
}

/** At row `rowNumber` the server raises an error, with the row's canary in message and detail as real ones have. */
export function raiseAtRow(db: TestDatabase, rowNumber: number, sqlState: string): Promise<void> {
  return actAtRow(
    db,
    rowNumber,
    `RAISE EXCEPTION 'canary in a message' USING ERRCODE = '${sqlState}', DETAIL = 'canary', HINT = 'canary';`,
  );
}

/** Runs PL/pgSQL statements at row `rowNumber`. */
export async function actAtRow(
  db: TestDatabase,
  rowNumber: number,
  statements: string,
): Promise<void> {
  await actAtEachRow(db, `IF record_id = 'row-${String(rowNumber)}' THEN ${statements} END IF;`);
}

/** Runs PL/pgSQL statements for each row; they may look at `record_id`. */
export async function actAtEachRow(db: TestDatabase, statements: string): Promise<void> {
  await db.admin.query(`
    CREATE OR REPLACE FUNCTION act(record_id text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
    BEGIN
      ${statements}
      RETURN true;
    END $$;
    DROP POLICY IF EXISTS acting ON sync_changes;
    CREATE POLICY acting ON sync_changes AS RESTRICTIVE FOR SELECT USING (act(record_id));
  `);
}
