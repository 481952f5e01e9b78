// JsonlSerializer destroyed at every awkward moment: one ending, no error out of nowhere, nothing left behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

import { JsonlSerializer, toExportLine } from '../../../src/index.js';
import { changeRows } from '../../support/change-rows.js';
import { settlesWithin } from '../../support/deadline.js';
import { failureOf } from '../../support/failures.js';
import { countEndings } from '../../support/stream-compliance.js';

const rows = changeRows(2000, 1000);

/** What ends a stream that is destroyed at a moment which `begin` leads to. */
function testDestroyed(
  moment: string,
  begin: () => JsonlSerializer | Promise<JsonlSerializer>,
): void {
  for (const error of [undefined, new Error('on purpose')]) {
    test(`${moment}, ${error === undefined ? 'without' : 'with'} an error`, async () => {
      const serializer = await begin();
      const counts = countEndings(serializer);
      serializer.destroy(error);
      await once(serializer, 'close').catch((told: unknown) => {
        assert.equal(told, error);
      });
      for (let turns = 0; turns < 5; turns += 1) await turn();
      const errors = error === undefined ? 0 : 1;
      assert.deepEqual(counts, { finish: 0, end: 0, error: errors, close: 1, late: 0 });
      assert.throws(() => serializer.summary(), TypeError);
    });
  }
}

describe('destroyed', () => {
  testDestroyed('while a batch waits for the reader', async () => {
    const serializer = new JsonlSerializer();
    serializer.write(rows);
    serializer.write(rows);
    await once(serializer, 'readable');
    return serializer;
  });

  testDestroyed('while a flush hook is under way', () => {
    const serializer = new JsonlSerializer({ flushEvery: 3, onFlush: () => new Promise(() => {}) });
    serializer.end(rows);
    return serializer;
  });

  for (const outcome of ['resolves', 'rejects']) {
    testDestroyed(`while a flush hook is under way that ${outcome} afterwards`, () => {
      const onFlush = async (): Promise<void> => {
        await turn();
        await turn();
        if (outcome === 'rejects') throw new Error('too late to matter');
      };
      const serializer = new JsonlSerializer({ flushEvery: 3, onFlush });
      serializer.end(rows);
      return serializer;
    });
  }

  testDestroyed('while the flush hook of the end is under way', async () => {
    let called: () => void = () => undefined;
    const call = new Promise<void>((resolve) => {
      called = resolve;
    });
    const onFlush = (): Promise<never> => {
      called();
      return new Promise(() => {});
    };
    const serializer = new JsonlSerializer({ onFlush });
    serializer.end(rows[0]);
    await call;
    return serializer;
  });

  testDestroyed('while a batch waits for the reader and a flush hook is under way', () => {
    const serializer = new JsonlSerializer({
      flushEvery: 400,
      onFlush: () => new Promise(() => {}),
    });
    serializer.write(rows);
    return serializer;
  });

  testDestroyed('while lines wait for the time limit', () => {
    const serializer = new JsonlSerializer({ flushIntervalMs: 60_000 });
    serializer.write(rows[0]);
    return serializer;
  });

  test('by the mapper of a single row: nobody is told that the row was taken', async () => {
    const serializer: JsonlSerializer = new JsonlSerializer({
      map: (row) => {
        serializer.destroy();
        return toExportLine(row);
      },
    });
    const counts = countEndings(serializer);
    const told: unknown[] = [];
    serializer.write(rows[0], (error) => told.push(error));
    await once(serializer, 'close');
    for (let turns = 0; turns < 5; turns += 1) await turn();
    assert.deepEqual(told, []);
    assert.deepEqual(counts, { finish: 0, end: 0, error: 0, close: 1, late: 0 });
  });

  test('within a pipeline, gives the source back', async () => {
    let isClosed = false;
    async function* source(): AsyncGenerator {
      try {
        for (;;) {
          yield rows;
          await turn();
        }
      } finally {
        isClosed = true;
      }
    }
    const serializer = new JsonlSerializer();
    const failure = new Error('the disk is full');
    const sink = new Writable({
      write(_chunk, _encoding, callback) {
        callback(failure);
      },
    });
    assert.equal(await failureOf(pipeline(Readable.from(source()), serializer, sink)), failure);
    assert.ok(serializer.destroyed);
    await turn();
    assert.ok(isClosed);
  });
});

describe('a process can exit', () => {
  const endings: Readonly<Record<string, string>> = {
    'after the end': `
      const serializer = new JsonlSerializer({
        flushEvery: 1, flushIntervalMs: 60_000, hookTimeoutMs: 60_000, onFlush: async () => undefined,
      });
      serializer.end([row, row, row]);
      serializer.resume();`,
    'after a flush by count, though there is a time limit': `
      new JsonlSerializer({ flushEvery: 1, flushIntervalMs: 60_000 }).write(row);`,
    'after destroy, though lines wait for the time limit': `
      const serializer = new JsonlSerializer({ flushIntervalMs: 60_000 });
      serializer.write(row);
      serializer.destroy();`,
    'after destroy, though a flush hook is under way': `
      const serializer = new JsonlSerializer({ flushEvery: 1, hookTimeoutMs: 60_000, onFlush: never });
      serializer.write(row);
      setImmediate(() => serializer.destroy());`,
    'after destroy by a flush hook that never comes back': `
      const serializer = new JsonlSerializer({
        flushEvery: 1, flushIntervalMs: 60_000, hookTimeoutMs: 60_000,
        onFlush: () => { serializer.destroy(); return never(); },
      });
      serializer.write([row, row, row]);`,
    'after a mapper has destroyed the stream': `
      const serializer = new JsonlSerializer({
        flushIntervalMs: 60_000,
        map: (row) => { serializer.destroy(); return toExportLine(row); },
      });
      serializer.write([row, row, row]);`,
    'after a failure': `
      const serializer = new JsonlSerializer({ flushIntervalMs: 60_000 });
      serializer.on('error', () => undefined);
      serializer.write([row, { ...row, op: 'upsert' }]);`,
  };
  const prelude = `
    import { JsonlSerializer, toExportLine } from ${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)};
    const row = ${JSON.stringify({ ...rows[0], data: null })};
    const never = () => new Promise(() => undefined);`;

  for (const [ending, script] of Object.entries(endings)) {
    test(ending, async () => {
      const args = ['--import', 'tsx', '--input-type=module', '--eval', prelude + script];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
      try {
        const [code] = (await settlesWithin(once(child, 'exit'), 20_000, 'The process')) as [
          number,
        ];
        assert.equal(code, 0);
      } finally {
        child.kill('SIGKILL');
      }
    });
  }
});
