// The demo: a change log in Postgres, a sync service over it, one user's export downloaded and checked.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { knownTokens } from '../sync-service/authenticate.js';
import { createSyncService } from '../sync-service/server.js';
import type { LogEntry } from '../sync-service/server.js';
import { checkExport } from './check.js';
import { download } from './download.js';
import { makeDatabase, openDatabase } from './log-database.js';
import type { LogDatabase, Stage } from './log-database.js';
import { DemoError, readOptions, usage } from './options.js';
import type { DemoOptions } from './options.js';
import { countText, ProgressLine, sizeText, Stopwatch } from './wording.js';

const undos: (() => unknown)[] = [];
const stage: Stage = {
  say: (line) => {
    console.log(line);
  },
  atEnd: (undo) => undos.push(undo),
};

async function demo(options: DemoOptions): Promise<void> {
  const { databaseUrl, userId, outDir } = options;
  await makeFolder(outDir);
  const database =
    databaseUrl === undefined
      ? await makeDatabase(options, stage)
      : openDatabase(databaseUrl, stage);
  const eventIds = await database.witness.eventIds(userId);
  if (eventIds.size === 0) throw new DemoError(`sync_changes holds no rows of ${userId}.`);

  const service = await startService(options, database);
  stage.say(`Sync service: GET ${service.url}`);
  const watch = new Stopwatch();
  const progress = new ProgressLine(process.stdout);
  const { partFile, file } = await download(
    {
      ...service,
      outDir,
      onProgress: (rows, bytes) => {
        const total = countText(eventIds.size);
        progress.show(() => `  ${countText(rows)} of ${total} rows, ${sizeText(bytes)}`);
      },
    },
    stage,
  ).finally(() => {
    progress.clear();
  });
  const sent = await service.exported();
  stage.say(`Downloaded ${countText(sent.rows)} rows, ${sizeText(sent.bytes)} (${watch.text()})`);

  await checkExport(partFile, { userId, eventIds, witness: database.witness, sent });
  await rename(partFile, file);
  stage.say(`Checked: every row of ${userId} once, in the log's order, and nobody else's`);
  stage.say('Checked: size and SHA-256 of the file are those that the service logged');
  stage.say(`File:    ${file}`);
  stage.say(`SHA-256: ${sent.sha256}`);
  if (databaseUrl !== undefined) return;
  stage.say('With your own sync_changes, read only:');
  stage.say('  npm run demo -- --database-url postgres://role:password@host/database --user <id>');
}

async function makeFolder(outDir: string): Promise<void> {
  try {
    await mkdir(outDir, { recursive: true });
  } catch {
    throw new DemoError(`Cannot make the folder ${outDir}.`);
  }
}

type Exported = Extract<LogEntry, { readonly message: 'backup exported' }>;

interface RunningService {
  readonly url: string;
  readonly token: string;
  /** What the service has logged of its first export; waits for it. */
  exported(): Promise<Exported>;
}

async function startService(
  { userId, rowSecurity }: DemoOptions,
  { pool }: LogDatabase,
): Promise<RunningService> {
  const token = randomBytes(16).toString('hex');
  let log: (entry: LogEntry) => void = () => undefined;
  const logged = new Promise<LogEntry>((resolve) => (log = resolve));
  const authenticate = knownTokens({ [token]: userId });
  const server = createSyncService({ pool, rowSecurity, authenticate, log }).listen(0, '127.0.0.1');
  stage.atEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/backup/export`,
    token,
    exported: async () => {
      const entry = await logged;
      if (entry.message === 'backup exported') return entry;
      throw new DemoError('The download ended well, but for the service it had failed.');
    },
  };
}

/** Undoes in reverse what was set up; each step has its turn, whatever became of the others. */
async function cleanUp(): Promise<void> {
  for (let undo = undos.pop(); undo !== undefined; undo = undos.pop()) {
    try {
      await undo();
    } catch {
      // What is gone already needs no undoing.
    }
  }
}

const interruption = new AbortController();

function onInterrupt(signal: NodeJS.Signals): void {
  interruption.abort();
  console.error('\nInterrupted: cleaning up.');
  void cleanUp().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(usage);
  else {
    // A second Ctrl-C ends the process at once; the database goes away with it all the same.
    process.once('SIGINT', onInterrupt);
    process.once('SIGTERM', onInterrupt);
    await demo(options);
  }
} catch (error) {
  process.exitCode = 1;
  // What fails because everything was stopped is no news.
  if (!interruption.signal.aborted) console.error(error instanceof Error ? error.message : error);
} finally {
  // After an interrupt that is under way, and ends the process when it is done.
  if (!interruption.signal.aborted) await cleanUp();
}
