import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  type ExportLine,
  type UpcastStep,
  createUpcaster,
  encodeExportLine,
  isBackupError,
  RawJson,
} from '../../../src/index.js';
import { encodeUpcast } from '../../../src/format/upcast.js';
import { exportLine } from '../../support/change-rows.js';

const keep: UpcastStep = (line) => line;

describe('createUpcaster', () => {
  const wrong: readonly (readonly [string, unknown])[] = [
    ['a gap', { current: 4, steps: { 1: keep, 3: keep } }],
    ['no first step', { current: 3, steps: { 2: keep } }],
    ['no step at all', { current: 2, steps: {} }],
    ['a step at current', { current: 2, steps: { 1: keep, 2: keep } }],
    ['a step beyond current', { current: 2, steps: { 1: keep, 7: keep } }],
    ['a step twice, spelt in two ways', { current: 2, steps: { '1': keep, '01': keep } }],
    [
      'a step twice, as entries',
      {
        current: 2,
        steps: [
          [1, keep],
          [1, keep],
        ],
      },
    ],
    ['a step of version 0', { current: 2, steps: { 0: keep, 1: keep } }],
    ['a key that is no version', { current: 2, steps: { 1: keep, one: keep } }],
    ['a step that is no function', { current: 2, steps: { 1: 'keep' } }],
    ['no options', undefined],
    ['a current that is no integer', { current: '2', steps: { 1: keep } }],
    ['no steps', { current: 1 }],
    ['null for steps', { current: 1, steps: null }],
    ['a function for steps', { current: 1, steps: keep }],
    ['a text for steps', { current: 1, steps: '' }],
    ['an option that it has not', { current: 2, steps: { 1: keep }, explain: keep }],
  ];
  for (const [name, options] of wrong) {
    test(`refuses ${name}`, () => {
      assert.throws(() => createUpcaster(options as never), TypeError);
    });
  }

  test('refuses a current outside the versions', () => {
    assert.throws(() => createUpcaster({ current: 0, steps: {} }), RangeError);
    assert.throws(() => createUpcaster({ current: 2 ** 31, steps: {} }), RangeError);
  });

  test('takes steps as an object, a Map or entries, and explains its paths', () => {
    for (const steps of [
      { 1: keep, 2: keep },
      new Map([
        [2, keep],
        [1, keep],
      ]),
    ]) {
      const upcaster = createUpcaster({ current: 3, steps });
      assert.deepEqual(upcaster.explain(1), [
        { fromVersion: 1, toVersion: 2 },
        { fromVersion: 2, toVersion: 3 },
      ]);
      assert.deepEqual(upcaster.explain(3), []);
      for (const version of [0, 4, 1.5]) assert.throws(() => upcaster.explain(version), RangeError);
    }
  });
});

describe('upcast', () => {
  test('takes one step at a time and sets the version', () => {
    const seen: number[] = [];
    const step: UpcastStep = (line) => {
      seen.push(line.schemaVersion);
      return { ...line, clientId: line.clientId, schemaVersion: 99 };
    };
    const upcaster = createUpcaster({ current: 4, steps: { 1: step, 2: step, 3: step } });
    assert.equal(upcaster.upcast(exportLine({ schemaVersion: 2 })).schemaVersion, 4);
    assert.deepEqual(seen, [2, 3]);
    const current = exportLine({ schemaVersion: 4 });
    assert.equal(upcaster.upcast(current), current);
  });

  test('keeps extra members, unless a step says otherwise', () => {
    const extra = new Map([['actor', new RawJson('"a"')]]);
    const line = exportLine({ schemaVersion: 1, extra });
    const fresh: UpcastStep = ({ extra: _, ...rest }) => rest;
    const keeping = createUpcaster({ current: 2, steps: { 1: fresh } });
    assert.deepEqual(keeping.upcast(line).extra, extra);
    const dropping = createUpcaster({
      current: 2,
      steps: { 1: (given) => ({ ...given, extra: undefined }) },
    });
    assert.equal(dropping.upcast(line).extra, undefined);
    assert.equal('extra' in keeping.upcast(exportLine({ schemaVersion: 1 })), false);
  });

  test('L20 refuses a newer line with its number and advice, whatever it holds', () => {
    const upcaster = createUpcaster({ current: 2, steps: { 1: keep } });
    assert.throws(
      () => upcaster.upcast(exportLine({ schemaVersion: 3, id: 'canary' }), 17),
      (error) => {
        assert.ok(isBackupError(error, 'BACKUP_SCHEMA_UNSUPPORTED'));
        const { eventId } = exportLine();
        assert.deepEqual(error.details, { schemaVersion: 3, current: 2, eventId, lineNumber: 17 });
        assert.match(error.message, /line 17.*update/);
        assert.doesNotMatch(inspect(error), /canary/);
        return true;
      },
    );
  });

  test('L20 refuses a newer line that has no number by its event', () => {
    const upcaster = createUpcaster({ current: 2, steps: { 1: keep } });
    assert.throws(
      () => upcaster.upcast(exportLine({ schemaVersion: 3 })),
      (error) => {
        assert.ok(isBackupError(error, 'BACKUP_SCHEMA_UNSUPPORTED'));
        const { eventId } = exportLine();
        // Without the member too, which would be undefined otherwise.
        assert.deepEqual(error.details, { schemaVersion: 3, current: 2, eventId });
        assert.ok(error.message.includes(eventId));
        return true;
      },
    );
  });

  const failures: readonly (readonly [string, unknown, string, string?])[] = [
    [
      'throws',
      () => {
        throw new Error('canary');
      },
      'threw',
    ],
    ['gives undefined', () => undefined, 'no-line'],
    ['gives null', () => null, 'no-line'],
    ['gives a text', () => 'canary', 'no-line'],
    ['changes its argument', (line: { id: string }) => ((line.id = 'x'), line), 'threw'],
    ['is async', async (line: ExportLine) => line, 'async'],
    [
      'gives a line that is to be waited for',
      (line: ExportLine) => ({ ...line, then() {} }),
      'async',
    ],
    [
      'gives a line that cannot be read',
      (line: ExportLine) => ({
        ...line,
        get data(): unknown {
          throw new Error('canary');
        },
      }),
      'threw',
    ],
    ...(['eventId', 'appId', 'table', 'id', 'clientId', 'createdAt'] as const).map(
      (member) =>
        [
          `changes ${member}`,
          (line: ExportLine) => ({ ...line, [member]: 'canary' }),
          'identity-changed',
          member,
        ] as const,
    ),
  ];
  for (const [name, step, reason, member] of failures) {
    test(`L20 a step that ${name} is a typed error`, () => {
      const upcaster = createUpcaster({ current: 2, steps: { 1: step as UpcastStep } });
      assert.throws(
        () => upcaster.upcast(exportLine(), 5),
        (error) => {
          assert.ok(isBackupError(error, 'BACKUP_UPCAST_FAILED'), inspect(error));
          assert.equal(error.details.reason, reason);
          assert.equal(error.details.member, member);
          assert.deepEqual([error.details.fromVersion, error.details.lineNumber], [1, 5]);
          assert.equal(error.cause !== undefined, reason === 'threw');
          assert.doesNotMatch(inspect(error), /canary/);
          return true;
        },
      );
    });
  }

  test('L20 what no line can hold is told as what the steps made', () => {
    const from = exportLine();
    assert.throws(
      () => encodeUpcast({ ...from, op: 'canary' as never }, from, 7),
      (error) => {
        assert.ok(isBackupError(error, 'BACKUP_UPCAST_FAILED'));
        const { eventId } = from;
        const expected = { fromVersion: 1, eventId, member: 'op', lineNumber: 7 };
        assert.deepEqual(error.details, { reason: 'invalid-line', ...expected });
        assert.ok(error.cause !== undefined);
        assert.doesNotMatch(inspect(error), /canary/);
        return true;
      },
    );
    assert.equal(encodeUpcast(from, from), encodeExportLine(from));
  });

  test('L20 a step that is async and rejects leaves no rejection that nobody handles', async () => {
    const upcaster = createUpcaster({
      current: 2,
      steps: { 1: (async () => Promise.reject(new Error('canary'))) as never },
    });
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      assert.throws(
        () => upcaster.upcast(exportLine(), 5),
        (error) => {
          assert.ok(isBackupError(error, 'BACKUP_UPCAST_FAILED'));
          const { eventId } = exportLine();
          assert.deepEqual(error.details, {
            reason: 'async',
            fromVersion: 1,
            eventId,
            lineNumber: 5,
          });
          return true;
        },
      );
      await turn();
      await turn();
      assert.deepEqual(unhandled, []);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});
