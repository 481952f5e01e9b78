import { test } from 'node:test';
import { USER, fillLog } from '../support/change-log.js';
import { withDatabase } from '../support/database.js';
import { lanes } from '../support/lanes.js';
import { startWireProxy } from '../support/wire-proxy.js';
let uncaught: unknown[] = [];
process.removeAllListeners('uncaughtException');
process.on('uncaughtException', (e) => { uncaught.push(e); });
for (const lane of lanes) test(lane.name, () => withDatabase(async (db) => {
  await db.createChangeLog(); await fillLog(db, { rowCount: 20 });
  await using proxy = await startWireProxy(db.address);
  const pool = db.pool({ connectionString: proxy.url(db.url()), maxUses: 1 });
  const options = { userId: USER, batchSize: 7, stallTimeoutMs: 200, connectTimeoutMs: 200 };
  const bytes: Buffer[] = [];
  proxy.watch((d, p) => { if (d === 'toClient') bytes.push(Buffer.from(p)); });
  const whole = await lane.export(pool, options).text();
  const total = proxy.byteCounts.toClient;
  console.log('total', total, 'text', whole.length);
  const counts: Record<string, number> = {};
  for (let n = 0; n < total; n += 13) {
    proxy.heal(); proxy.corrupt(n); uncaught = [];
    let out: string;
    const t0 = performance.now();
    try { const t = await lane.export(pool, options).text(); out = t === whole ? 'same' : 'changed'; } catch (e: any) { out = `${e.code ?? e.message} ${e.cause?.name ?? ''} ${e.cause?.code ?? ''}`; }
    const ms = performance.now() - t0; if (ms > 450) out += ' SLOW';
    if (uncaught.length > 0) out += ` UNCAUGHT ${(uncaught[0] as Error).message.slice(0, 60)}`;
    counts[out] = (counts[out] ?? 0) + 1;
  }
  console.log(counts);
}));
