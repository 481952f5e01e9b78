// A schema that comes before `pg_catalog` in the plain role's path, and in it a twin of every function,
// operator, type and table that PostgreSQL has: whoever asks for one by its bare name walks into it.
import type { TestDatabase } from './database.js';

/** For a pool whose sessions are to find the traps first whatever their role, as connection options. */
export const THROUGH_TRAPS = '-c search_path=traps,pg_catalog,public';

/** Lays the traps, in schema `traps`, in the way of the plain role's next sessions. */
export async function layTraps(db: TestDatabase): Promise<void> {
  await db.admin.query(TRAPS_SQL);
  await db.admin.query(`
    GRANT USAGE ON SCHEMA traps TO ${db.appUser};
    GRANT ALL ON ALL TABLES IN SCHEMA traps TO ${db.appUser};
    ALTER ROLE ${db.appUser} SET search_path = traps, pg_catalog, public;
  `);
}

// What cannot have a twin (pseudo-types as arguments) is passed over; what the library calls of it is
// made by hand. A plain function in the place of an aggregate is one all the same: it fails.
const TRAPS_SQL = `
  CREATE SCHEMA traps;
  CREATE FUNCTION traps.spring() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$a trap$$; END';
  DO $do$
  DECLARE one record;
  BEGIN
    FOR one IN
      SELECT p.proname AS name, p.proretset, format_type(p.prorettype, NULL) AS result,
             (SELECT string_agg(format_type(a.type, NULL), ', ' ORDER BY a.place)
                FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)) AS arguments
        FROM pg_proc AS p
       WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind IN ('f', 'a')
    LOOP
      BEGIN
        EXECUTE format('CREATE FUNCTION traps.%I(%s) RETURNS %s %s LANGUAGE plpgsql AS %L', one.name,
          one.arguments, CASE WHEN one.proretset THEN 'SETOF' END, one.result,
          'BEGIN RAISE EXCEPTION ''a trap''; END');
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
    FOR one IN
      SELECT o.oid, o.oprname AS name, format_type(o.oprresult, NULL) AS result,
             format_type(nullif(o.oprleft, 0), NULL) AS a, format_type(o.oprright, NULL) AS b
        FROM pg_operator AS o
       WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0
    LOOP
      BEGIN
        EXECUTE format('CREATE FUNCTION traps.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', one.oid,
          one.a, one.b, one.result, 'BEGIN RAISE EXCEPTION ''a trap''; END');
        EXECUTE format('CREATE OPERATOR traps.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = traps.operator_%s)',
          one.name, one.a, one.b, one.oid);
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
    FOR one IN
      SELECT t.typname AS name FROM pg_type AS t
       WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typelem = 0
    LOOP
      EXECUTE format('CREATE DOMAIN traps.%I AS pg_catalog.%I CHECK (traps.spring())', one.name, one.name);
    END LOOP;
    FOR one IN
      SELECT c.relname AS name FROM pg_class AS c
       WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
    LOOP
      BEGIN
        EXECUTE format('CREATE TABLE traps.%I (LIKE pg_catalog.%I)', one.name, one.name);
      EXCEPTION WHEN OTHERS THEN NULL;
      END;
    END LOOP;
  END $do$;
  CREATE FUNCTION traps.json_build_object(VARIADIC "any") RETURNS json LANGUAGE internal AS 'json_build_array';
  CREATE FUNCTION traps.json_build_array(VARIADIC "any") RETURNS json LANGUAGE internal AS 'json_build_object';
  CREATE FUNCTION traps.jsonb_build_object(VARIADIC "any") RETURNS jsonb LANGUAGE internal AS 'jsonb_build_array';
  CREATE FUNCTION traps.json_object_agg(name, json) RETURNS json LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION $$a trap$$; END';
  CREATE COLLATION traps."C" (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
`;
