// Runs the sync service by hand:
// DATABASE_URL=postgres://… SYNC_TOKENS=secret=anna,other=ben npx tsx examples/sync-service/main.ts
import pg from 'pg';
import { knownTokens } from './authenticate.js';
import { createSyncService } from './server.js';

const { DATABASE_URL, SYNC_TOKENS, PORT = '3000' } = process.env;
if (DATABASE_URL === undefined || SYNC_TOKENS === undefined) {
  console.error('Set DATABASE_URL, and SYNC_TOKENS as token=user pairs with commas between them.');
  process.exit(1);
}

const users = SYNC_TOKENS.split(',').map((pair): [string, string] => {
  const [token = '', ...userId] = pair.split('=');
  return [token, userId.join('=')];
});
const pool = new pg.Pool({ connectionString: DATABASE_URL });
// An idle client that loses its connection must not take the process along; the pool makes another.
pool.on('error', (error) => {
  console.error(JSON.stringify({ message: 'idle database client failed', error: error.name }));
});

const service = createSyncService({
  pool,
  authenticate: knownTokens(Object.fromEntries(users)),
  log: (entry) => {
    console.log(JSON.stringify({ time: new Date().toISOString(), ...entry }));
  },
});
service.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`For people:   http://127.0.0.1:${PORT}/`);
  console.log(`For programs: http://127.0.0.1:${PORT}/backup/export`);
});

function stop(): void {
  service.close(() => void pool.end()); // exports that are under way may finish
}
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
