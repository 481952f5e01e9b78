// What every candidate but this library's own does by hand before its query: the same role, transaction and
// settings, so that the server has the same work to do.

/** The settings that this library makes for its own transaction and that change the server's plan. */
export const LANE_SETTINGS = { enable_sort: 'off', jit: 'off' } as const;

/** How the transaction begins. */
export const BEGIN_SQL = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** Names the user `$1` to the row-level policy and makes the lanes' settings. */
export const SETTINGS_SQL = `SELECT set_config('app.current_user_id', $1, true), ${Object.entries(
  LANE_SETTINGS,
)
  .map(([name, value]) => `set_config('${name}', '${value}', true)`)
  .join(', ')}`;

/** The log of user `$1`: the columns, filter and order of this library's own query. */
export const SELECT_SQL = `
  SELECT id, app_id, table_name, record_id, user_id, op, data, field_timestamps, client_id, created_at, schema_version
  FROM sync_changes
  WHERE user_id = $1
  ORDER BY created_at, id`;
